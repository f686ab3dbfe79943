"""Layer normalization in C++ against the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from hw.ir import LayerNorm, TensorSpec
from tests.hw.hls.cases import (
    INT8,
    INT16,
    INT32,
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
from tests.hw.hls.kernels import IntArray, Kernel, Port

SHAPES = {
    "odd": (5, 7, 3, 20, 1, 8),
    "one": (2, 1, 1, 0, 2**48 - 1, 8),
    "pre": (3, 48, 6, 14, 12345, 16),
    "deep": (3, 1100, 70, 21, 1, 8),
    "most": (2, 4096, 128, 17, 7, 16),
}
"""Tokens, features, reuse factor, shift, epsilon, bits."""


def kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, reuse, shift, epsilon, bits = SHAPES[shape]
    result = INT8 if bits == 8 else INT16
    return Kernel(
        "integer_layernorm",
        (word(INT16, features, stream), word(result, features, stream)),
        {
            "n_tokens": tokens,
            "n_in": features,
            "reuse_factor": reuse,
            "shift": shift,
            "epsilon": epsilon,
        },
        (
            tensor(INT16, tokens, features, stream),
            *[counted(stream)] * live,
            tensor(result, tokens, features, stream, output=True),
            Port(INT16, features),
            Port(INT32, features),
        ),
    )


KERNELS = kernels(SHAPES, kernel)


def streams(shape: str) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Input, gain and offset: ordinary ones, and those that reach the ends of every width."""
    tokens, features = SHAPES[shape][:2]
    rng = np.random.default_rng(0)
    size = (tokens, features)
    gain = rng.integers(8000, 16000, features)
    offset = rng.integers(-(2**18), 2**18, features)
    ends = rng.choice([-32768, 32767], size)
    spike = np.full(size, 32767)
    spike[:, 0] = -32768
    for x in (rng.integers(-3000, 3000, size), rng.integers(-2, 3, size), ends, spike):
        yield x, gain, offset
    yield np.full(size, -32768), gain, offset
    largest = rng.choice([-32768, 32767], features)
    limits = rng.choice([-(2**31), 2**31 - 1], features)
    yield ends, largest, limits
    yield spike, largest, limits


@forms(SHAPES)
def test_every_bit_of_a_normalized_token(shape: str, stream: bool, live: bool) -> None:
    tokens, features, _, shift, epsilon, bits = SHAPES[shape]
    op = LayerNorm("norm", 0, ("x",), "y", shift=shift, epsilon=epsilon)
    for x, gain, offset in streams(shape):
        params = {"gain": gain, "offset": offset}
        for count in live_counts(tokens) if live else [tokens]:
            expected = reference(op, TensorSpec(tokens, features, bits), params, x[:count])
            given = (spoil(x, count), *[np.array([count, 0])] * live, gain, offset)
            (y,) = KERNELS.call(label(shape, stream, live), *given)
            np.testing.assert_array_equal(y.reshape(tokens, features), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_small_variances_reach_every_scaling(shape: str) -> None:
    """One or a few channels differ by 1, 2, 4...: the variance takes every length."""
    tokens, features, _, shift, epsilon, bits = SHAPES[shape]
    op = LayerNorm("norm", 0, ("x",), "y", shift=shift, epsilon=epsilon)
    gain, offset = np.full(features, 12345), np.arange(features) * 1001
    params = {"gain": gain, "offset": offset}
    for exponent in range(15):
        x = np.zeros((tokens, features), np.int64)
        x[:, 0] = (1 << exponent) + np.arange(tokens)
        expected = reference(op, TensorSpec(tokens, features, bits), params, x)
        (y,) = KERNELS.call(label(shape, False, False), x, gain, offset)
        np.testing.assert_array_equal(y.reshape(tokens, features), expected)
