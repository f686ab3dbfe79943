"""The image: pixels as int8 patches."""

from __future__ import annotations

from onnxscript import script

from hw.onnx.domain import DOUBLE, INT8, blockvit, op


@script(blockvit)
def QuantizeImage(image, mean, std, scale, patch: int, grid: list[int]):
    """Pixels float32 (N, channels, height, width) in [0, 1] as int8 patches (N, patches, features).

    The rows and columns of `grid` are of patches; what lies beyond is dropped. A patch holds
    channel, then row, then column. mean, std: double (channels); scale: double.
    """
    channel = op.Constant(value_ints=[-1, 1, 1])
    normalized = (op.Cast(image, to=DOUBLE) - op.Reshape(mean, channel)) / op.Reshape(std, channel)
    levels = op.Clip(op.Floor(normalized / scale + 0.5), -128.0, 127.0)

    side = op.Reshape(patch, op.Constant(value_ints=[1]))
    zero = op.Constant(value_ints=[0])
    whole = op.Constant(value_ints=grid)
    rows, columns = op.Split(whole, num_outputs=2)
    start = op.Constant(value_ints=[0, 0])
    inside = op.Slice(levels, start, whole * side, op.Constant(value_ints=[2, 3]))
    shape = op.Concat(zero, zero, rows, side, columns, side, axis=0)
    parts = op.Transpose(op.Reshape(inside, shape), perm=[0, 2, 4, 1, 3, 5])
    count = op.Concat(zero, rows * columns, op.Constant(value_ints=[-1]), axis=0)
    return op.Cast(op.Reshape(parts, count), to=INT8)
