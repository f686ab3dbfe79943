"""The operator domain of the integer form, and the standard operators that its bodies use."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnxscript import opset21
from onnxscript.values import Opset

DOMAIN = "blockvit"
VERSION = 1
"""Of the domain's operators: a file of another version is not read."""
OPSET = 21
"""Of the standard operators."""
IR_VERSION = 10
"""The first whose nodes and values carry metadata."""

op: Any = opset21
blockvit = Opset(DOMAIN, VERSION)

INT8 = onnx.TensorProto.INT8
INT16 = onnx.TensorProto.INT16
INT64 = onnx.TensorProto.INT64
UINT8 = onnx.TensorProto.UINT8
UINT64 = onnx.TensorProto.UINT64
DOUBLE = onnx.TensorProto.DOUBLE

OF_BITS: dict[int, int] = {8: INT8, 16: INT16}
"""ONNX's type of a tensor of the IR, by its bits."""


def constant(values: Any, dtype: DTypeLike) -> onnx.TensorProto:
    """An array as the value of a `Constant`."""
    array: NDArray[Any] = np.asarray(values, dtype=dtype)
    return onnx.numpy_helper.from_array(array)
