"""Every operator alone, in ONNX Runtime, on extreme and random values."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from onnxscript import OnnxFunction

from hw import integer
from hw.blocks import split_blocks
from hw.onnx.domain import DOMAIN, INT8, INT16, IR_VERSION, OPSET, VERSION
from hw.onnx.functions.arithmetic import Requantize
from hw.onnx.functions.attention import Attend, Scores, Softmax
from hw.onnx.functions.linear import BlockSparseLinear, BlockSparseTable
from hw.onnx.functions.selection import TokenSelect
from hw.onnx.functions.stream import Add, Embed, LayerNorm, MeanTokens, SelectToken
from hw.onnx.operators import function_protos
from sim.reference import merge_groups, split_groups

SEEDS = range(6)
EXTREMES = {"int8": [-128, -127, -1, 0, 1, 127], "int16": [-32768, -32767, -1, 0, 1, 32767]}


def evaluate(
    operator: OnnxFunction, *inputs: np.ndarray, outputs: int = 1, **attributes: Any
) -> Any:
    """One node in ONNX Runtime, its inputs fed at run time, so that nothing is folded."""
    names = [f"i{number}" for number in range(len(inputs))]
    node = helper.make_node(
        operator.name,
        names,
        [f"o{number}" for number in range(outputs)],
        domain=DOMAIN,
        **attributes,
    )
    types = [helper.np_dtype_to_tensor_dtype(array.dtype) for array in inputs]
    graph = helper.make_graph(
        [node],
        operator.name,
        [
            helper.make_tensor_value_info(name, dtype, array.shape)
            for name, dtype, array in zip(names, types, inputs, strict=True)
        ],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    model = helper.make_model(
        graph,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        functions=function_protos([operator]),
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, dict(zip(names, inputs, strict=True)))
    return found[0] if outputs == 1 else found


def values(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    """Half of them random, half extreme."""
    limits = np.iinfo(dtype)
    drawn = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.5, drawn, rng.choice(EXTREMES[dtype], shape)).astype(
        dtype
    )


def factors(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers and shifts, their limits among them."""
    mult = rng.choice([0, 1, 40000, 65535], count).astype(np.uint16)
    return mult, rng.choice([0, 1, 15, 24, 31, 47], count).astype(np.uint8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("dtype", "bits"), [(INT8, 8), (INT16, 16)])
def test_requantize_wraps_rounds_and_saturates(seed: int, dtype: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    edges = [-(2**31), -(2**31) + 1, -3, -2, -1, 0, 1, 2, 3, 2**31 - 1]
    acc = rng.choice([*edges, *rng.integers(-(2**31), 2**31, 20)], (7, 40))
    bias = rng.choice(edges, 40).astype(np.int32)
    mult, shift = factors(rng, 40)
    found = evaluate(Requantize, acc.astype(np.float64), bias, mult, shift, dtype=dtype)
    np.testing.assert_array_equal(found, integer.requantize(acc, bias, mult, shift, bits))


@pytest.mark.parametrize("block", [(4, 4), (3, 5), (16, 16)])
@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
def test_linear_takes_kept_blocks_of_any_size(block: tuple[int, int], density: float) -> None:
    rng = np.random.default_rng(0)
    x, weight = values(rng, "int8", 2, 6, 21), values(rng, "int8", 18, 21)
    grid = rng.random((-(-18 // block[0]), -(-21 // block[1]))) < density
    weight *= np.kron(grid, np.ones(block, np.int8))[:18, :21].astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, 18).astype(np.int32)
    mult, shift = np.full(18, 50000, np.uint16), np.full(18, 27, np.uint8)
    index, payload = split_blocks(weight, block)
    inputs = (x, index, payload, bias, mult, shift)
    found = evaluate(BlockSparseLinear, *inputs, shape=(18, 21), dtype=INT16)
    acc = x.astype(np.int64) @ weight.T.astype(np.int64)
    np.testing.assert_array_equal(found, integer.requantize(acc, bias, mult, shift, 16))


def test_products_are_exact_at_any_depth() -> None:
    x, weight = np.full((1, 2, 5000), -128, np.int8), np.full((3, 5000), -128, np.int8)
    index, payload = split_blocks(weight, (3, 5000))
    mult, shift = np.ones(3, np.uint16), np.full(3, 14, np.uint8)
    inputs = (x, index, payload, np.ones(3, np.int32), mult, shift)
    found = evaluate(BlockSparseLinear, *inputs, shape=(3, 5000), dtype=INT16)
    assert (found == 5000).all()


@pytest.mark.parametrize("dtype", [INT8, INT16])
def test_table_is_looked_up_for_every_value(dtype: int) -> None:
    table = np.random.default_rng(0).permutation(np.arange(-128, 128)).astype(np.int8)
    x = np.arange(-128, 128).astype(np.int8)[None, :, None]
    one = np.ones(1, np.uint16)
    inputs = (np.zeros(1, np.int32), np.ones((1, 1, 1), np.int8), np.zeros(1, np.int32), one)
    shift = np.zeros(1, np.uint8)
    found = evaluate(BlockSparseTable, x, *inputs, shift, table, shape=(1, 1), dtype=dtype)
    np.testing.assert_array_equal(found[0, :, 0], table)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_and_attention(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heads, tokens, features = int(rng.integers(1, 4)), int(rng.integers(1, 9)), 5
    qkv = values(rng, "int8", 2, tokens, 3 * heads * features)
    mult, shift = factors(rng, heads)
    settings: dict[str, Any] = {"heads": heads, "mult": mult.tolist(), "shift": shift.tolist()}
    q, k, v = np.split(split_groups(qkv, 3 * heads).astype(np.int64), 3, axis=-3)
    by_head = (0, mult[:, None, None], shift[:, None, None])
    scores = integer.requantize(q @ np.swapaxes(k, -1, -2), *by_head, 16)
    found = evaluate(Scores, qkv, **settings, dtype=INT16)
    np.testing.assert_array_equal(found, merge_groups(scores))
    shares = rng.integers(0, 128, (2, tokens, heads * tokens), np.int8)
    weighted = integer.requantize(split_groups(shares, heads).astype(np.int64) @ v, *by_head, 8)
    found = evaluate(Attend, shares, qkv, **settings, dtype=INT8)
    np.testing.assert_array_equal(found, merge_groups(weighted))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mult", [1, 127 << 12, 2**24 - 1])
def test_softmax(seed: int, mult: int) -> None:
    rng = np.random.default_rng(seed)
    scores = values(rng, "int16", 2, 5, 3 * 11)
    scores[0] //= 30
    found = evaluate(Softmax, scores, groups=3, probability_mult=mult)
    expected = merge_groups(integer.softmax(split_groups(scores, 3), mult))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("channels", [1, 2, 384, 1024, 1025, 4096])
@pytest.mark.parametrize("epsilon", [1, 500916, 2**48 - 1])
def test_layernorm_of_any_variance(channels: int, epsilon: int) -> None:
    rng = np.random.default_rng(channels)
    width = 2 ** rng.integers(0, 16, (1, 9, 1))
    x = np.round(rng.uniform(-1, 1, (1, 9, channels)) * width).astype(np.int16)
    x[0, 0], x[0, 1] = 7, rng.choice([-32768, 32767], channels)
    gain, offset = values(rng, "int16", channels), rng.integers(-(2**31), 2**31, channels)
    offset = offset.astype(np.int32)
    for dtype, bits, shift in ((INT8, 8, 21), (INT16, 16, 0)):
        settings = {"shift": shift, "epsilon": epsilon}
        found = evaluate(LayerNorm, x, gain, offset, **settings, dtype=dtype)
        expected = integer.layernorm(x, gain, offset, **settings, bits=bits)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_add_and_embed_saturate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = values(rng, "int16", 2, 4, 5), values(rng, "int16", 2, 4, 5)
    np.testing.assert_array_equal(evaluate(Add, a, b), integer.add(a, b))
    prefix, position = values(rng, "int16", 2, 5), values(rng, "int16", 6, 5)
    whole = np.concatenate([np.broadcast_to(prefix, (2, 2, 5)), a], axis=1)
    np.testing.assert_array_equal(
        evaluate(Embed, a, prefix, position), integer.add(whole, position)
    )


@pytest.mark.parametrize("tokens", [1, 2, 50, 300])
def test_mean_and_single_tokens(tokens: int) -> None:
    x = values(np.random.default_rng(tokens), "int16", 2, tokens, 6)
    for start in {0, tokens - 1}:
        expected = integer.mean_tokens(x[:, start:])
        np.testing.assert_array_equal(evaluate(MeanTokens, x, start=start), expected)
        found = evaluate(SelectToken, x, index=start)
        np.testing.assert_array_equal(found, x[:, start : start + 1])


@pytest.mark.parametrize("seed", range(20))
def test_selection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens, heads = int(rng.integers(2, 30)), int(rng.integers(1, 5))
    x = values(rng, "int16", tokens, 6)
    keep, shares = (rng.choice([0, 1, 64, 127], (tokens, heads)).astype(np.int16) for _ in "ab")
    threshold, prefix = int(rng.choice([0, 1, 127, 254, 255])), int(rng.integers(0, 2))
    package = bool(rng.integers(0, 2))
    scores = integer.token_scores(keep, shares)
    kept = integer.kept_tokens(scores, threshold, prefix, package)
    found = evaluate(
        TokenSelect,
        *(x[None], keep[None], shares[None], np.array([package])),
        outputs=4,
        threshold=threshold,
        prefix=prefix,
    )
    np.testing.assert_array_equal(found[0][0], integer.select_tokens(x, scores, kept))
    assert found[1].tolist() == [not kept.all()]
    np.testing.assert_array_equal(found[2][0], scores)
    np.testing.assert_array_equal(found[3][0], kept)
