"""A graph of standard operators under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET = 20
"""The first that has GELU as one operation."""
IR_VERSION = 9


class Graph:
    """Nodes and initializers so far; every method returns the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """An operation, named after its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def split(self, inputs: list[str], outputs: list[str], axis: int) -> None:
        """A `Split` into parts, named after the first."""
        self.nodes.append(helper.make_node("Split", inputs, outputs, outputs[0], axis=axis))

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """An initializer; the same name stands for the same values."""
        if name not in self.initializers:
            array: NDArray[Any] = np.asarray(values, dtype)
            self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values: int) -> str:
        """A shared initializer of int64: axes, shapes, places."""
        return self.constant(f"int64_{'_'.join(map(str, values))}", values, np.int64)

    def real(self, value: float) -> str:
        """A shared scalar."""
        value = float(np.float32(value))
        return self.constant(f"real_{value!r}", value)

    def scale(self, value: float) -> str:
        """A shared scalar that is the scale of some tensor."""
        value = float(np.float32(value))
        return self.constant(f"scale_{value!r}", value)

    def quantized(self, source: str, scale: float, output: str) -> str:
        """`source` rounded to int8 levels of a scale, in real numbers."""
        zero = self.constant("zero_point", 0, np.int8)
        levels = self.node("QuantizeLinear", [source, self.scale(scale), zero], f"{output}/int8")
        return self.node("DequantizeLinear", [levels, self.scale(scale), zero], output)

    def weight(self, name: str, levels: NDArray[np.int8], scales: NDArray[Any]) -> str:
        """An int8 weight (in, out) with a scale an output, in real numbers."""
        inputs = [
            self.constant(f"{name}/int8", levels, np.int8),
            self.constant(f"{name}/scale", scales),
            self.constant(f"zero_points_{len(scales)}", np.zeros(len(scales)), np.int8),
        ]
        return self.node("DequantizeLinear", inputs, name, axis=1)
