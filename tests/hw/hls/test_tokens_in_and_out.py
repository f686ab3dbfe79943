"""Embedding, single tokens and averages in C++ against the reference."""

from __future__ import annotations

import numpy as np

from hw.ir import Embed, MeanTokens, SelectToken, TensorSpec
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
from tests.hw.hls.kernels import Kernel, Port

SHAPES = {"odd": (7, 5, 2, 2), "single": (1, 3, 1, 0), "wide": (4, 24, 5, 1)}
"""Tokens, features, reuse factor, tokens of the prefix."""


def embed_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, reuse, prefix = SHAPES[shape]
    return Kernel(
        "embed_tokens",
        (word(INT16, features, stream),) * 2,
        {"n_tokens": tokens, "n_in": features, "n_prefix": prefix, "reuse_factor": reuse},
        (
            tensor(INT16, tokens - prefix, features, stream),
            tensor(INT16, tokens, features, stream, output=True),
            Port(INT16, max(prefix * features, 1)),
            Port(INT16, tokens * features),
        ),
    )


def select_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, reuse, index = SHAPES[shape]
    return Kernel(
        "select_token",
        (word(INT16, features, stream),) * 2,
        {"n_tokens": tokens, "n_in": features, "token": index, "reuse_factor": reuse},
        (
            tensor(INT16, tokens, features, stream),
            tensor(INT16, 1, features, stream, output=True),
        ),
    )


def mean_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, reuse, start = SHAPES[shape]
    return Kernel(
        "mean_tokens",
        (word(INT16, features, stream),) * 2,
        {"n_tokens": tokens, "n_in": features, "start": start, "reuse_factor": reuse},
        (
            tensor(INT16, tokens, features, stream),
            *[counted(stream)] * live,
            tensor(INT16, 1, features, stream, output=True),
        ),
    )


EMBED = kernels(SHAPES, embed_kernel, live=(False,))
SELECT = kernels(SHAPES, select_kernel, live=(False,))
MEAN = kernels(SHAPES, mean_kernel)


@forms(SHAPES, live=(False,))
def test_embedding_adds_positions_to_prefix_and_patches(
    shape: str, stream: bool, live: bool
) -> None:
    tokens, features, _, count = SHAPES[shape]
    values = [-32768, -20000, -1, 0, 7, 20000, 32767]
    rng = np.random.default_rng(0)
    x = rng.choice(values, (tokens - count, features))
    prefix, position = rng.choice(values, (count, features)), rng.choice(values, (tokens, features))
    params = {"prefix": prefix, "position": position}
    op = Embed("embed", 0, ("x",), "y")
    expected = reference(op, TensorSpec(tokens, features, 16), params, x)
    first = prefix if count else np.zeros(1)
    (y,) = EMBED.call(label(shape, stream, live), x, first, position)
    np.testing.assert_array_equal(y.reshape(tokens, features), expected)


@forms(SHAPES, live=(False,))
def test_the_selected_token_is_the_one_at_the_index(shape: str, stream: bool, live: bool) -> None:
    tokens, features, _, index = SHAPES[shape]
    x = np.random.default_rng(0).integers(-32768, 32768, (tokens, features))
    op = SelectToken("select", 0, ("x",), "y", index=index)
    expected = reference(op, TensorSpec(1, features, 16), {}, x)
    (y,) = SELECT.call(label(shape, stream, live), x)
    np.testing.assert_array_equal(y.reshape(1, features), expected)


@forms(SHAPES)
def test_the_mean_counts_the_live_tokens_behind_the_prefix(
    shape: str, stream: bool, live: bool
) -> None:
    tokens, features, _, start = SHAPES[shape]
    rng = np.random.default_rng(0)
    op = MeanTokens("mean", 0, ("x",), "y", start=start)
    size = (tokens, features)
    for x in (rng.integers(-32768, 32768, size), np.full(size, -32768), np.full(size, 32767)):
        for count in live_counts(tokens) if live else [tokens]:
            if count > start:
                expected = reference(op, TensorSpec(1, features, 16), {}, x[:count])
                given = (spoil(x, count), *[np.array([count, 0])] * live)
                (y,) = MEAN.call(label(shape, stream, live), *given)
                np.testing.assert_array_equal(y.reshape(1, features), expected)
