"""Residual addition in C++ against the reference."""

from __future__ import annotations

import numpy as np

from hw.ir import Add, TensorSpec
from tests.hw.hls.cases import (
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
from tests.hw.hls.kernels import Kernel

SHAPES = {"odd": (5, 7, 3), "single": (1, 1, 1), "wide": (3, 24, 2)}
"""Tokens, features, reuse factor."""


def kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, reuse = SHAPES[shape]
    data = tensor(INT16, tokens, features, stream)
    return Kernel(
        "saturating_add",
        (word(INT16, features, stream),) * 3,
        {"n_tokens": tokens, "n_in": features, "reuse_factor": reuse},
        (
            data,
            data,
            *[counted(stream)] * live,
            tensor(INT16, tokens, features, stream, output=True),
        ),
    )


KERNELS = kernels(SHAPES, kernel)


@forms(SHAPES)
def test_sum_saturates_as_in_the_reference(shape: str, stream: bool, live: bool) -> None:
    tokens, features, _ = SHAPES[shape]
    rng = np.random.default_rng(0)
    target = TensorSpec(tokens, features, 16)
    for count in live_counts(tokens) if live else [tokens]:
        a, b = rng.choice([-32768, -1, 0, 1, 9999, 32767], (2, tokens, features))
        expected = reference(Add("add", 0, ("a", "b"), "y"), target, {}, a[:count], b[:count])
        given = (spoil(a, count), spoil(b, count), *[np.array([count, 0])] * live)
        (y,) = KERNELS.call(label(shape, stream, live), *given)
        np.testing.assert_array_equal(y.reshape(tokens, features), expected)
