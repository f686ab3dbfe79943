"""What the tests of the kernels share: types, ports of arrays and streams, the reference."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest

from hw.ir import ImageSpec, Network, Op, TensorSpec
from sim.reference import execute_op, fill_up
from tests.hw.hls.kernels import IntArray, Kernel, Kernels, Port

INT8, INT16, INT32 = "ap_int<8>", "ap_int<16>", "ap_int<32>"
MULT, SHIFT, LIVE = "ap_uint<16>", "ap_uint<6>", "ap_uint<16>"

GARBAGE = 99
"""What stands in results before a call, and in tokens beyond the live ones."""


def word(element: str, features: int, stream: bool) -> str:
    """The template argument for a tensor."""
    return f"nnet::array<{element}, {features}>" if stream else element


def tensor(element: str, tokens: int, features: int, stream: bool, output: bool = False) -> Port:
    """An argument of (tokens, features); a stream has a token a word."""
    return Port(element, tokens * features, output, features if stream else 0)


def counted(stream: bool, output: bool = False) -> Port:
    """The live tokens, and whether the last is a package."""
    return tensor(LIVE, 1, 2, stream, output)


def reference(
    op: Op, target: TensorSpec, params: Mapping[str, IntArray], *inputs: IntArray
) -> IntArray:
    """What the operation gives, filled up with zeros where tokens are not live."""
    image = ImageSpec(1, 1, 1, 1, 1.0, (0.0,), (1.0,))
    arrays = {f"{op.name}.{name}": array for name, array in params.items()}
    network = Network("single", image, [op], {op.output: target}, arrays)
    return fill_up(execute_op(network, op, *inputs), target)


def spoil(x: IntArray, live: int, groups: int = 1, across: bool = False) -> IntArray:
    """A copy with garbage wherever no live token is."""
    spoiled = np.full_like(x, GARBAGE).reshape(len(x), groups, -1)
    features = live if across else spoiled.shape[-1]
    spoiled[:live, :, :features] = x.reshape(spoiled.shape)[:live, :, :features]
    return spoiled.reshape(x.shape)


def live_counts(tokens: int) -> list[int]:
    """One, all, and some between."""
    some = {1, 2, tokens // 2, tokens - 1, tokens}
    return sorted(count for count in some if 0 < count <= tokens)


def label(shape: str, stream: bool, live: bool) -> str:
    return f"{shape}_{'stream' if stream else 'array'}{'_live' * live}"


def forms(shapes: Iterable[str], live: tuple[bool, ...] = (False, True)) -> pytest.MarkDecorator:
    """Every shape as arrays and as streams, without and with a live count."""
    cases = list(itertools.product(shapes, (False, True), live))
    return pytest.mark.parametrize(("shape", "stream", "live"), cases)


def kernels(
    shapes: Iterable[str],
    kernel: Callable[[str, bool, bool], Kernel],
    live: tuple[bool, ...] = (False, True),
) -> Kernels:
    """The kernels of `forms`, by `label`."""
    cases = itertools.product(shapes, (False, True), live)
    return Kernels({label(*case): kernel(*case) for case in cases})
