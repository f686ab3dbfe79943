"""Whether the tensors, parameters and settings of an operation fit together.

A network that `prune` wrote does; one from a file may not, beyond what `Network.validate` checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from hw.integer import EPSILON_BITS, MULTIPLIER_BITS, PROBABILITY_MULT_BITS, SHIFT_MAX
from hw.ir import (
    Add,
    Attend,
    Embed,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TensorSpec,
    TokenSelect,
)
from hw.onnx.problems import Problems, Unmapped

Shape = tuple[int, int]
MOST_CHANNELS = 4096
"""Of a layer norm."""


def check_network(network: Network, source: str, domain: str = "") -> None:
    """Check every operation of a network from a file.

    Args:
        network: valid by names.
        source: the name of the file.
        domain: of the operators that its operations came from.

    Raises:
        UserError: operations do not fit; its details are a line for each.
    """
    problems = Problems(source)
    for op in network.ops:
        try:
            check_op(network, op)
        except Unmapped as reason:
            node = helper.make_node(type(op).__name__, op.inputs, [op.output], op.name)
            node.domain = domain
            problems.add(node, reason)
    problems.check()


def check_op(network: Network, op: Op) -> None:
    """Check an operation of a network that is valid by names.

    Raises:
        Unmapped: it does not fit; says what was expected.
    """
    count = 2 if isinstance(op, Add | Attend) else 1
    if not isinstance(op, Linear | TokenSelect) and len(op.inputs) != count:
        raise Unmapped(f"{len(op.inputs)} input tensors, expected {count}")
    sources = [network.tensors[name] for name in op.inputs]
    target = network.tensors[op.output]
    expected = _SHAPES[type(op)](network, op, *sources)
    if (target.tokens, target.features) != expected:
        raise Unmapped(f"gives {target.tokens, target.features}, expected {expected}")
    widths = _WIDTHS.get(type(op))
    if widths is not None:
        found = [source.bits for source in sources] + [target.bits]
        if any(bits not in allowed for bits, allowed in zip(found, widths, strict=True)):
            raise Unmapped(f"tensors of {found} bits, expected {[max(a) for a in widths]}")


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise Unmapped(message)


def _between(name: str, values: Any, low: int, high: int) -> None:
    array = np.asarray(values, np.int64)
    _expect(bool(((low <= array) & (array <= high)).all()), f"{name}: expected {low} to {high}")


def _param(network: Network, op: Op, suffix: str, dtype: str, *shape: int) -> None:
    array = network.param(op, suffix)
    _expect(
        (array.dtype, array.shape) == (np.dtype(dtype), shape),
        f"{suffix} is {array.dtype} {array.shape}, expected {dtype} {shape}",
    )


def _linear(network: Network, op: Linear, x: TensorSpec, *common: TensorSpec) -> Shape:
    _expect(all(source.bits == 8 for source in (x, *common)), "expected inputs of 8 bits")
    _between("shift", network.param(op, "shift"), 0, SHIFT_MAX)
    return x.tokens, network.tensors[op.output].features


def _factors(op: Scores | Attend) -> None:
    _expect(op.heads >= 1, f"heads={op.heads}, expected at least 1")
    lengths = len(op.mult), len(op.shift)
    _expect(lengths == (op.heads, op.heads), f"{lengths} mult and shift, expected {op.heads}")
    _between("mult", op.mult, 0, 2**MULTIPLIER_BITS - 1)
    _between("shift", op.shift, 0, SHIFT_MAX)


def _groups(network: Network, op: Op, *expected: int) -> None:
    """That the inputs and the result have so many groups, which divide their features."""
    specs = [network.tensors[name] for name in (*op.inputs, op.output)]
    found = tuple(spec.groups for spec in specs)
    _expect(found == expected, f"tensors of {found} groups, expected {expected}")
    _expect(all(spec.features % spec.groups == 0 for spec in specs), "groups of unequal size")


def _scores(network: Network, op: Scores, qkv: TensorSpec) -> Shape:
    _factors(op)
    _groups(network, op, 3 * op.heads, op.heads)
    return qkv.tokens, op.heads * qkv.tokens


def _softmax(network: Network, op: Softmax, scores: TensorSpec) -> Shape:
    _between("probability_mult", op.probability_mult, 1, 2**PROBABILITY_MULT_BITS - 1)
    _groups(network, op, scores.groups, scores.groups)
    return scores.tokens, scores.features


def _attend(network: Network, op: Attend, shares: TensorSpec, qkv: TensorSpec) -> Shape:
    _factors(op)
    expected = qkv.tokens, op.heads * qkv.tokens
    found = shares.tokens, shares.features
    _expect(found == expected, f"probabilities {found}, expected {expected}")
    _groups(network, op, op.heads, 3 * op.heads, op.heads)
    return qkv.tokens, qkv.features // 3


def _layernorm(network: Network, op: LayerNorm, x: TensorSpec) -> Shape:
    _param(network, op, "gain", "int16", x.features)
    _param(network, op, "offset", "int32", x.features)
    _between("shift", op.shift, 0, SHIFT_MAX)
    _between("epsilon", op.epsilon, 1, 2**EPSILON_BITS - 1)
    _between("channels", x.features, 1, MOST_CHANNELS)
    return x.tokens, x.features


def _embed(network: Network, op: Embed, x: TensorSpec) -> Shape:
    tokens = len(network.param(op, "prefix")) + x.tokens
    _param(network, op, "prefix", "int16", tokens - x.tokens, x.features)
    _param(network, op, "position", "int16", tokens, x.features)
    return tokens, x.features


def _add(network: Network, op: Add, a: TensorSpec, b: TensorSpec) -> Shape:
    shapes = (a.tokens, a.features), (b.tokens, b.features)
    _expect(shapes[0] == shapes[1], f"adds {shapes[0]} and {shapes[1]}")
    return shapes[0]


def _select(network: Network, op: SelectToken, x: TensorSpec) -> Shape:
    _between("index", op.index, 0, x.tokens - 1)
    return 1, x.features


def _mean(network: Network, op: MeanTokens, x: TensorSpec) -> Shape:
    _between("start", op.start, 0, x.tokens - 1)
    return 1, x.features


def _token_select(network: Network, op: TokenSelect, x: TensorSpec, *votes: TensorSpec) -> Shape:
    return x.tokens, x.features


_SHAPES: dict[type[Op], Callable[..., Shape]] = {
    Linear: _linear,
    Scores: _scores,
    Softmax: _softmax,
    Attend: _attend,
    LayerNorm: _layernorm,
    Embed: _embed,
    Add: _add,
    SelectToken: _select,
    MeanTokens: _mean,
    TokenSelect: _token_select,
}
"""The (tokens, features) that an operation gives, after checking what it takes."""

_WIDTHS: dict[type[Op], tuple[tuple[int, ...], ...]] = {
    Scores: ((8,), (16,)),
    Softmax: ((16,), (8,)),
    Attend: ((8,), (8,), (8,)),
    LayerNorm: ((16,), (8, 16)),
    Embed: ((16,), (16,)),
    Add: ((16,), (16,), (16,)),
    MeanTokens: ((16,), (16,)),
}
"""Bits that the inputs and the result may have."""
