"""Single nodes evaluated on arrays: constants, and the indices of moved elements."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from hw.onnx.problems import Unmapped
from hw.onnx.qdq.values import MOST_ELEMENTS

_GROWING = {"Expand": 1, "ConstantOfShape": 0, "Tile": 1}
"""Operations whose result may be much larger than their inputs: the input that says how large."""


def evaluate(node: onnx.NodeProto, arrays: list[NDArray[Any]], opset: int) -> list[NDArray[Any]]:
    """The outputs of a node of standard operators.

    Raises:
        Unmapped: it cannot be evaluated, or its result is too large.
    """
    _check_size(node, arrays)
    names = [f"input{number}" for number in range(len(node.input))]
    renamed = onnx.NodeProto()
    renamed.CopyFrom(node)
    present = [bool(name) for name in node.input]
    renamed.input[:] = [name if used else "" for name, used in zip(names, present, strict=True)]
    given = [name for name, used in zip(names, present, strict=True) if used]
    graph = helper.make_graph(
        [renamed],
        "one",
        [helper.make_empty_tensor_value_info(name) for name in given],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        found = ReferenceEvaluator(model).run(None, dict(zip(given, arrays, strict=True)))
    except Exception as error:  # the evaluator's operators raise what numpy raises, and more
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unmapped(f"cannot be evaluated ({reason})") from error
    return [np.asarray(array) for array in found]


def _check_size(node: onnx.NodeProto, arrays: list[NDArray[Any]]) -> None:
    size: float = max((array.size for array in arrays), default=0)
    if node.op_type in _GROWING and len(arrays) > _GROWING[node.op_type]:
        shape = np.abs(arrays[_GROWING[node.op_type]].astype(np.float64))
        size = max(size, math.prod(shape.tolist()) * (size if node.op_type == "Tile" else 1))
    elif node.op_type == "Range":
        start, limit, step = (float(array.ravel()[0]) for array in arrays)
        size = abs(limit - start) / max(abs(step), 1e-9)
    else:
        with suppress(ValueError):
            size = max(size, math.prod(np.broadcast_shapes(*(a.shape for a in arrays))))
    if size > MOST_ELEMENTS:
        raise Unmapped(f"its result would have more than {MOST_ELEMENTS} elements")
