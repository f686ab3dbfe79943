"""The two products of attention in C++ against the reference."""

from __future__ import annotations

import numpy as np

from hw.ir import Attend, Scores, TensorSpec
from tests.hw.hls.cases import (
    INT8,
    INT16,
    MULT,
    SHIFT,
    counted,
    forms,
    kernels,
    label,
    live_counts,
    reference,
    spoil,
    tensor,
    word,
)
from tests.hw.hls.kernels import Kernel, Port

SHAPES = {
    "odd": (7, 2, 5, 3, 4),
    "one": (1, 1, 1, 1, 1),
    "wide": (6, 3, 8, 16, 2),
    "tall": (19, 1, 4, 2, 8),
}
"""Tokens, heads, features of a head, rows, columns."""


def _config(shape: str, products: int) -> dict[str, object]:
    tokens, heads, features, rows, cols = SHAPES[shape]
    bits = min(15 + products.bit_length(), 32)
    return {
        "n_tokens": tokens,
        "n_heads": heads,
        "n_head": features,
        "rows": rows,
        "cols": cols,
        "accum_t": f"ap_int<{bits}>",
    }


def scores_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, heads, features = SHAPES[shape][:3]
    width, across = 3 * heads * features, heads * tokens
    return Kernel(
        "scores",
        (word(INT8, width, stream), word(INT16, across, stream)),
        _config(shape, features),
        (
            tensor(INT8, tokens, width, stream),
            *[counted(stream)] * live,
            tensor(INT16, tokens, across, stream, output=True),
            Port(MULT, heads),
            Port(SHIFT, heads),
        ),
    )


def attend_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, heads, features = SHAPES[shape][:3]
    width, across = heads * features, heads * tokens
    return Kernel(
        "attend",
        (word(INT8, across, stream), word(INT8, 3 * width, stream), word(INT8, width, stream)),
        _config(shape, tokens),
        (
            tensor(INT8, tokens, across, stream),
            tensor(INT8, tokens, 3 * width, stream),
            *[counted(stream)] * live,
            tensor(INT8, tokens, width, stream, output=True),
            Port(MULT, heads),
            Port(SHIFT, heads),
        ),
    )


SCORES = kernels(SHAPES, scores_kernel)
ATTEND = kernels(SHAPES, attend_kernel)


@forms(SHAPES)
def test_scores_of_every_head(shape: str, stream: bool, live: bool) -> None:
    tokens, heads, features = SHAPES[shape][:3]
    rng = np.random.default_rng(0)
    mult, shift = rng.integers(2**15, 2**16, heads), rng.integers(12, 20, heads)
    op = Scores("scores", 0, ("x",), "y", heads=heads, mult=tuple(mult), shift=tuple(shift))
    target = TensorSpec(tokens, heads * tokens, 16, groups=heads)
    size = (tokens, 3 * heads * features)
    for x in (rng.integers(-128, 128, size), rng.choice([-128, 127], size), np.full(size, -128)):
        for count in live_counts(tokens) if live else [tokens]:
            expected = reference(op, target, {}, x[:count])
            given = (spoil(x, count), *[np.array([count, 0])] * live, mult, shift)
            (y,) = SCORES.call(label(shape, stream, live), *given)
            np.testing.assert_array_equal(y.reshape(tokens, -1), expected)


@forms(SHAPES)
def test_values_of_every_head(shape: str, stream: bool, live: bool) -> None:
    tokens, heads, features = SHAPES[shape][:3]
    rng = np.random.default_rng(0)
    mult, shift = rng.integers(2**15, 2**16, heads), rng.integers(18, 26, heads)
    op = Attend("attend", 0, ("p", "x"), "y", heads=heads, mult=tuple(mult), shift=tuple(shift))
    target = TensorSpec(tokens, heads * features, 8, groups=heads)
    size = (tokens, 3 * heads * features)
    random = rng.integers(0, 128, (tokens, heads * tokens))
    for shares, qkv in (
        (random, rng.integers(-128, 128, size)),
        (np.full_like(random, 127), np.full(size, -128)),
    ):
        for count in live_counts(tokens) if live else [tokens]:
            part = shares.reshape(tokens, heads, tokens)[:count, :, :count].reshape(count, -1)
            expected = reference(op, target, {}, part, qkv[:count])
            spoiled = (spoil(shares, count, heads, across=True), spoil(qkv, count))
            given = (*spoiled, *[np.array([count, 0])] * live, mult, shift)
            (y,) = ATTEND.call(label(shape, stream, live), *given)
            np.testing.assert_array_equal(y.reshape(tokens, -1), expected)
