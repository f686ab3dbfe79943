"""Attention of every head: scores, softmax, weighted values. A tensor's groups are its heads."""

from __future__ import annotations

from onnxscript import script

from hw.integer import EXP2_FRACTION_BITS, EXP2_TABLE, SOFTMAX_SHIFT
from hw.onnx.domain import DOUBLE, INT8, INT64, blockvit, constant, op
from hw.onnx.functions.arithmetic import PowerOfTwo, Product, Requantize, RoundShift

POWERS_OF_TWO = constant(EXP2_TABLE, "float64")
STEPS = float(1 << EXP2_FRACTION_BITS)
RECIPROCAL_ONE = 1 << 16


@script(blockvit)
def SplitGroups(x, groups):
    """(N, tokens, groups * features) as (N, groups, tokens, features)."""
    count = op.Reshape(groups, op.Constant(value_ints=[1]))
    ends = op.Constant(value_ints=[0, 0])
    shape = op.Concat(ends, count, op.Constant(value_ints=[-1]), axis=0)
    return op.Transpose(op.Reshape(x, shape), perm=[0, 2, 1, 3])


@script(blockvit)
def MergeGroups(x):
    """(N, groups, tokens, features) as (N, tokens, groups * features)."""
    together = op.Transpose(x, perm=[0, 2, 1, 3])
    return op.Reshape(together, op.Constant(value_ints=[0, 0, -1]))


@script(blockvit)
def RequantizeHeads(acc, mult, shift, dtype: int):
    """(N, heads, tokens, features) by a factor a head, without bias."""
    head = op.Constant(value_ints=[-1, 1, 1])
    zero = op.Constant(value_int=0)
    return Requantize(acc, zero, op.Reshape(mult, head), op.Reshape(shift, head), dtype=dtype)


@script(blockvit)
def Scores(qkv, heads: int, mult: list[int], shift: list[int], dtype: int):
    """q k^T of every head: int8 (N, tokens, 3 * heads * features) to (N, tokens, heads * tokens).

    The groups of the input are q of all heads, k of all heads, v of all heads.
    """
    queries, keys, _ = op.Split(SplitGroups(qkv, heads * 3), num_outputs=3, axis=1)
    acc = Product(queries, op.Transpose(keys, perm=[0, 1, 3, 2]))
    return MergeGroups(RequantizeHeads(acc, mult, shift, dtype=dtype))


@script(blockvit)
def Softmax(scores, groups: int, probability_mult: int):
    """Softmax over every group of int16 scores, in units of 2^-8 of a power of two, to int8.

    probability_mult: 2^12 / scale of the result.
    """
    x = op.Cast(SplitGroups(scores, groups), to=DOUBLE)
    distance = op.ReduceMax(x, op.Constant(value_ints=[-1]), keepdims=1) - x
    whole = op.Floor(distance / STEPS)
    fraction = op.Cast(distance - whole * STEPS, to=INT64)
    halvings = op.Cast(op.Min(whole, 31.0), to=INT64)
    power = op.Floor(op.Gather(op.Constant(value=POWERS_OF_TWO), fraction) / PowerOfTwo(halvings))
    total = op.ReduceSum(power, op.Constant(value_ints=[-1]), keepdims=1)
    reciprocal = probability_mult * RECIPROCAL_ONE / op.Cast(total, to=INT64)
    share = RoundShift(power * op.Cast(reciprocal, to=DOUBLE), SOFTMAX_SHIFT)
    return MergeGroups(op.Cast(op.Min(share, 127.0), to=INT8))


@script(blockvit)
def Attend(probabilities, qkv, heads: int, mult: list[int], shift: list[int], dtype: int):
    """The values of every head, weighted: (N, tokens, heads * features)."""
    _, _, values = op.Split(SplitGroups(qkv, heads * 3), num_outputs=3, axis=1)
    acc = Product(SplitGroups(probabilities, heads), values)
    return MergeGroups(RequantizeHeads(acc, mult, shift, dtype=dtype))
