"""Softmax in C++ against the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hw.ir import Softmax, TensorSpec
from tests.hw.hls.cases import (
    INT8,
    INT16,
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
from tests.hw.hls.kernels import IntArray, Kernel

SHAPES = {
    "odd": (7, 2, 3, 127 << 12),
    "one": (1, 1, 1, 1),
    "long": (33, 1, 5, 2**24 - 1),
    "weak": (5, 3, 2, 900),
}
"""Tokens, groups, reuse factor, probability_mult."""


def kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, groups, reuse, mult = SHAPES[shape]
    features = groups * tokens
    return Kernel(
        "integer_softmax",
        (word(INT16, features, stream), word(INT8, features, stream)),
        {
            "n_tokens": tokens,
            "n_groups": groups,
            "n_group": tokens,
            "probability_mult": mult,
            "reuse_factor": reuse,
        },
        (
            tensor(INT16, tokens, features, stream),
            *[counted(stream)] * live,
            tensor(INT8, tokens, features, stream, output=True),
        ),
    )


KERNELS = kernels(SHAPES, kernel)


def rows(tokens: int, features: int) -> Iterator[IntArray]:
    rng = np.random.default_rng(0)
    size = (tokens, features)
    yield rng.integers(-1500, 1500, size)
    yield rng.integers(-32768, 32768, size)
    yield rng.choice([-32768, 32767], size)
    yield np.full(size, -32768)
    # Distances up to where nothing of a power is left.
    yield -257 * np.resize(np.arange(20), size)


@forms(SHAPES)
def test_every_bit_of_the_shares(shape: str, stream: bool, live: bool) -> None:
    tokens, groups, _, mult = SHAPES[shape]
    features = groups * tokens
    op = Softmax("softmax", 0, ("x",), "y", probability_mult=mult)
    target = TensorSpec(tokens, features, groups=groups)
    for x in rows(tokens, features):
        for count in live_counts(tokens) if live else [tokens]:
            part = x.reshape(tokens, groups, tokens)[:count, :, :count].reshape(count, -1)
            expected = reference(op, target, {}, part)
            given = (spoil(x, count, groups, across=True), *[np.array([count, 0])] * live)
            (y,) = KERNELS.call(label(shape, stream, live), *given)
            np.testing.assert_array_equal(y.reshape(tokens, features), expected)
