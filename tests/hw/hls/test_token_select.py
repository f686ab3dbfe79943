"""Token selection in C++ against the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hw.ir import TensorSpec, TokenSelect
from sim.reference import Selection, fill_up, select_tokens
from tests.hw.hls.cases import (
    INT16,
    counted,
    forms,
    kernels,
    label,
    live_counts,
    spoil,
    tensor,
    word,
)
from tests.hw.hls.kernels import IntArray, Kernel

SHAPES = {
    "odd": (9, 5, 3, 2, 127, 1),
    "all": (6, 4, 1, 1, 0, 0),
    "none": (6, 7, 2, 3, 255, 2),
    "many": (70, 3, 1, 4, 130, 1),
}
"""Tokens, features, heads, reuse factor, threshold, prefix."""


def kernel(shape: str, stream: bool, live: bool) -> Kernel:
    """`live`: behind another selection."""
    tokens, features, heads, reuse, threshold, prefix = SHAPES[shape]
    votes = tensor(INT16, tokens, heads, stream)
    kinds = ((INT16, features), (INT16, heads), (INT16, heads), (INT16, features))
    return Kernel(
        "token_select",
        tuple(word(element, size, stream) for element, size in kinds),
        {
            "n_tokens": tokens,
            "n_in": features,
            "n_heads": heads,
            "reuse_factor": reuse,
            "threshold": threshold,
            "prefix": prefix,
        },
        (
            tensor(INT16, tokens, features, stream),
            votes,
            votes,
            *[counted(stream)] * live,
            tensor(INT16, tokens, features, stream, output=True),
            counted(stream, output=True),
        ),
    )


KERNELS = kernels(SHAPES, kernel)


def images(shape: str) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Tokens, keep and heads: random ones, the largest, and votes of nobody."""
    tokens, features, heads = SHAPES[shape][:3]
    rng = np.random.default_rng(0)
    x = rng.integers(-32768, 32768, (tokens, features))
    votes = (tokens, heads)
    yield x, rng.integers(0, 128, votes), rng.integers(0, 128, votes)
    yield np.full_like(x, -32768), np.full(votes, 127), np.full(votes, 127)
    yield np.full_like(x, 32767), np.full(votes, 1), np.full(votes, 127)
    yield x, rng.choice([0, 127], votes), rng.choice([0, 1], votes)
    yield x, np.zeros(votes, np.int64), np.zeros(votes, np.int64)


def counts(shape: str, live: bool) -> list[tuple[int, bool]]:
    """Live tokens, and whether the last is a package."""
    tokens, prefix = SHAPES[shape][0], SHAPES[shape][5]
    if not live:
        return [(tokens, False)]
    found = [count for count in live_counts(tokens) if count > prefix]
    return [(count, package) for count in found for package in (False, True)]


@forms(SHAPES)
def test_selected_tokens_package_and_count(shape: str, stream: bool, live: bool) -> None:
    tokens, features, _, _, threshold, prefix = SHAPES[shape]
    after = "before" if live else ""
    op = TokenSelect("s", 0, ("x", "k", "h"), "y", threshold=threshold, prefix=prefix, after=after)
    for x, keep, heads in images(shape):
        for count, package in counts(shape, live):
            before = {"before": Selection(np.zeros(2, np.int64), np.array([True, not package]))}
            part = (array[:count] for array in (x, keep, heads))
            expected, selection = select_tokens(op, *part, before)
            given = [spoil(array, count) for array in (x, keep, heads)]
            given += [np.array([count, package])] * live
            y, out = KERNELS.call(label(shape, stream, live), *given)
            assert out.tolist() == [selection.tokens_out, selection.package]
            target = TensorSpec(tokens, features, 16)
            np.testing.assert_array_equal(y.reshape(tokens, features), fill_up(expected, target))
