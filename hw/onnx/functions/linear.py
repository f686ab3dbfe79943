"""Linear layers whose weight is its kept blocks."""

from __future__ import annotations

from onnxscript import script

from hw.onnx.domain import INT8, INT64, blockvit, constant, op
from hw.onnx.functions.arithmetic import Product, Requantize

ZERO = constant([0], "int8")


@script(blockvit)
def BlockWeight(index, payload, shape: list[int]):
    """The weight int8 (outputs, inputs) of kept blocks; `shape` holds both.

    payload: int8 (kept, block outputs, block inputs), zero beyond the weight's edges.
    index: int32 (kept), a block's number in the grid of blocks, row after row.
    """
    sides = op.Constant(value_ints=shape)
    block = op.Shape(payload, start=1, end=3)
    grid = (sides + block - 1) / block
    count = op.ReduceProd(grid, keepdims=1)
    empty = op.ConstantOfShape(op.Concat(count, block, axis=0), value=ZERO)
    at = op.Unsqueeze(op.Cast(index, to=INT64), op.Constant(value_ints=[1]))
    blocks = op.Reshape(op.ScatterND(empty, at, payload), op.Concat(grid, block, axis=0))
    whole = op.Reshape(op.Transpose(blocks, perm=[0, 2, 1, 3]), grid * block)
    return op.Slice(whole, op.Constant(value_ints=[0, 0]), sides, op.Constant(value_ints=[0, 1]))


@script(blockvit)
def BlockSparseLinear(x, index, payload, bias, mult, shift, shape: list[int], dtype: int):
    """Requantized products of tokens int8 (N, tokens, inputs): (N, tokens, outputs)."""
    weight = op.Transpose(BlockWeight(index, payload, shape=shape), perm=[1, 0])
    return Requantize(Product(x, weight), bias, mult, shift, dtype=dtype)


@script(blockvit)
def BlockSparseTable(x, index, payload, bias, mult, shift, table, shape: list[int], dtype: int):
    """The same to int8, then looked up in the activation's table int8 (256)."""
    y = BlockSparseLinear(x, index, payload, bias, mult, shift, shape=shape, dtype=INT8)
    return op.Cast(op.Gather(table, op.Cast(y, to=INT64) + 128), to=dtype)


@script(blockvit)
def JoinToken(x, common):
    """The features of a common token (N, 1, f) behind those of every token (N, tokens, g)."""
    one = op.Constant(value_ints=[1])
    shape = op.Concat(one, op.Shape(x, start=1, end=2), one, axis=0)
    return op.Concat(x, op.Expand(common, shape), axis=-1)
