"""The block-sparse linear layer, its table and its common token in C++ against the reference."""

from __future__ import annotations

import numpy as np

from hw.hls.blocks import KeptBlocks, kept_blocks
from hw.integer import lookup
from hw.ir import Linear, TensorSpec
from tests.hw.hls.cases import (
    INT8,
    INT16,
    INT32,
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
from tests.hw.hls.kernels import IntArray, Kernel, Port

SHAPES = {
    "edges": (5, 10, 7, (4, 3), 0.6, 3, 8),
    "whole": (3, 8, 16, (4, 4), 1.0, 16, 16),
    "parts": (2, 12, 9, (3, 6), 0.5, 2, 16),
    "rows": (2, 6, 8, (4, 3), 0.5, 6, 8),
    "empty": (2, 3, 5, (2, 2), 0.0, 1, 8),
}
"""Tokens, inputs, outputs, block, share of kept blocks, multipliers, bits."""


def parameters(shape: str, extreme: bool = False) -> dict[str, IntArray]:
    _, inputs, outputs, (height, width), density, _, bits = SHAPES[shape]
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    if extreme:
        weight = np.full((outputs, inputs), -127, np.int8)
    grid = rng.random((-(-outputs // height), -(-inputs // width))) < density
    grid[-1:] = density == 1.0  # a row of blocks without any
    weight *= np.kron(grid, np.ones((height, width), np.int8))[:outputs, :inputs].astype(np.int8)
    ends = [-(2**31), 2**31 - 1]
    bias = rng.choice(ends, outputs) if extreme else rng.integers(-20000, 20000, outputs)
    return {
        "weight": weight,
        "bias": bias,
        "mult": rng.integers(2**15, 2**16, outputs),
        "shift": rng.integers(20, 24, outputs) - (bits - 8) // 2,
    }


def blocks(shape: str, extreme: bool = False) -> KeptBlocks:
    return kept_blocks(parameters(shape, extreme)["weight"], SHAPES[shape][3])


def filled(array: IntArray, size: int) -> IntArray:
    """C++ has no empty arrays."""
    return array if array.size else np.zeros(size, array.dtype)


def dense_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, inputs, outputs, (height, width), _, multipliers, bits = SHAPES[shape]
    found, result = blocks(shape), INT8 if bits == 8 else INT16
    count, area = max(len(found.rows), 1), height * width
    return Kernel(
        "block_dense",
        (word(INT8, inputs, stream), word(result, outputs, stream)),
        {
            "n_tokens": tokens,
            "n_in": inputs,
            "n_out": outputs,
            "block_out": height,
            "block_in": width,
            "n_blocks": len(found.rows),
            "n_empty": len(found.empty),
            "multipliers": multipliers,
        },
        (
            tensor(INT8, tokens, inputs, stream),
            *[counted(stream)] * live,
            tensor(result, tokens, outputs, stream, output=True),
            Port(INT8, count * area),
            Port(MULT, count),
            Port(MULT, count),
            Port("ap_uint<1>", count),
            Port(MULT, max(len(found.empty), 1)),
            Port(INT32, outputs),
            Port(MULT, outputs),
            Port(SHIFT, outputs),
        ),
    )


def table_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, bits = SHAPES[shape][0], SHAPES[shape][1], SHAPES[shape][-1]
    result = INT8 if bits == 8 else INT16
    return Kernel(
        "table_activation",
        (word(INT8, features, stream), word(result, features, stream)),
        {"n_tokens": tokens, "n_in": features, "reuse_factor": 3},
        (
            tensor(INT8, tokens, features, stream),
            *[counted(stream)] * live,
            tensor(result, tokens, features, stream, output=True),
            Port(INT8, 256),
        ),
    )


def join_kernel(shape: str, stream: bool, live: bool) -> Kernel:
    tokens, features, common = SHAPES[shape][:3]
    return Kernel(
        "join_token",
        tuple(word(INT8, size, stream) for size in (features, common, features + common)),
        {"n_tokens": tokens, "n_in": features, "n_common": common, "reuse_factor": 4},
        (
            tensor(INT8, tokens, features, stream),
            tensor(INT8, 1, common, stream),
            *[counted(stream)] * live,
            tensor(INT8, tokens, features + common, stream, output=True),
        ),
    )


SOME = ("edges", "whole")
DENSE = kernels(SHAPES, dense_kernel)
TABLE = kernels(SOME, table_kernel)
JOIN = kernels(SOME, join_kernel)


@forms(SHAPES)
def test_kept_blocks_give_the_layer(shape: str, stream: bool, live: bool) -> None:
    tokens, inputs, outputs, block, _, _, bits = SHAPES[shape]
    op, target = Linear("l", 0, ("x",), "y", block_shape=block), TensorSpec(tokens, outputs, bits)
    rng = np.random.default_rng(1)
    for extreme in (False, True):
        params, found = parameters(shape, extreme), blocks(shape, extreme)
        x = rng.choice([-128, 127], (tokens, inputs)) if extreme else None
        x = rng.integers(-128, 128, (tokens, inputs)) if x is None else x
        positions = (found.rows, found.columns, found.ends, found.empty)
        arrays = [filled(found.payload, block[0] * block[1]), *(filled(p, 1) for p in positions)]
        arrays += [params[name] for name in ("bias", "mult", "shift")]
        for count in live_counts(tokens) if live else [tokens]:
            expected = reference(op, target, params, x[:count])
            given = (spoil(x, count), *[np.array([count, 0])] * live, *arrays)
            (y,) = DENSE.call(label(shape, stream, live), *given)
            np.testing.assert_array_equal(y.reshape(tokens, outputs), expected)


@forms(SOME)
def test_every_value_is_looked_up(shape: str, stream: bool, live: bool) -> None:
    tokens, features = SHAPES[shape][:2]
    rng = np.random.default_rng(0)
    table = rng.integers(-128, 128, 256)
    for start in range(-128, 128, tokens * features):
        x = np.clip(np.arange(start, start + tokens * features), -128, 127).reshape(tokens, -1)
        for count in live_counts(tokens) if live else [tokens]:
            given = (spoil(x, count), *[np.array([count, 0])] * live, table)
            (y,) = TABLE.call(label(shape, stream, live), *given)
            expected = np.where(np.arange(tokens)[:, None] < count, lookup(x, table), 0)
            np.testing.assert_array_equal(y.reshape(tokens, -1), expected)


@forms(SOME)
def test_the_common_token_stands_behind_each(shape: str, stream: bool, live: bool) -> None:
    tokens, features, size = SHAPES[shape][:3]
    rng = np.random.default_rng(0)
    x, common = rng.integers(-128, 128, (tokens, features)), rng.integers(-128, 128, (1, size))
    for count in live_counts(tokens) if live else [tokens]:
        (y,) = JOIN.call(
            label(shape, stream, live), spoil(x, count), common, *[np.array([count, 0])] * live
        )
        expected = np.zeros((tokens, features + size), np.int64)
        expected[:count] = np.concatenate([x, np.repeat(common, tokens, 0)], axis=1)[:count]
        np.testing.assert_array_equal(y.reshape(tokens, -1), expected)
