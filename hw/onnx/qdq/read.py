"""Reads a QDQ graph node by node: what each value stands for, or why it cannot be mapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hw.onnx.problems import Problems, Unmapped
from hw.onnx.qdq import arithmetic, stream
from hw.onnx.qdq.evaluate import evaluate
from hw.onnx.qdq.handlers import HANDLERS, array, dequantized, passed, real, turned
from hw.onnx.qdq.scaling import settle
from hw.onnx.qdq.selections import Match, find_selections, selected
from hw.onnx.qdq.values import (
    Constant,
    Curve,
    Levels,
    Lost,
    ScoreRows,
    Value,
    View,
    Weight,
    is_whole,
    places,
)

MOVES = frozenset(
    ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split")
)
_OTHERS = ("Expand", "Concat", "Cast", "ConstantOfShape", "Range", "Shape", "Size", "Sqrt", "Neg")
_RARE = ("Reciprocal", "Where", "Equal", "ReduceProd", "Tile", "QuantizeLinear", "Constant")
FOLDED = MOVES.union(arithmetic.BINARY, _OTHERS, _RARE, ("Identity",))
"""Operators that are evaluated where all inputs are constant."""
_DAMAGED = (ValueError, IndexError, KeyError, TypeError, ArithmeticError)
_DAMAGE = "inputs or attributes that do not fit each other"
PASSED = frozenset(("Identity", "Dropout", "Cast"))


class Reader:
    """The values of a graph, for one image."""

    def __init__(self, model: onnx.ModelProto, image: View, units: dict[str, float]) -> None:
        """
        Args:
            model: checked.
            image: what its input stands for.
            units: scales of values that have 16 bits, by name.
        """
        versions = {entry.domain: entry.version for entry in model.opset_import}
        self._opset = versions.get("", 1)
        self._units = units
        self._graph = model.graph
        self.values: dict[str, Value] = {model.graph.input[0].name: image}
        for tensor in model.graph.initializer:
            self.values[tensor.name] = Constant(numpy_helper.to_array(tensor))

    def run(self, problems: Problems) -> None:
        """Read all nodes; note those that cannot be mapped."""
        selections = find_selections(self._graph)
        packages = {match.package: name for name, match in selections.items()}
        inner = {name for match in selections.values() for name in match.inner}
        for node in self._graph.node:
            match = selections.get(node.output[0])
            if match is not None:
                self._select(node, match, packages, problems)
                continue
            if node.output[0] in inner:
                self.values[node.output[0]] = Lost()
                continue
            inputs = [self.values.get(name) for name in node.input if name]
            if any(value is None or isinstance(value, Lost) for value in inputs):
                found: list[Value] = [Lost() for _ in node.output]
            else:
                try:
                    read = zip(node.output, self._read(node), strict=False)
                    found = [self._noted(name, value) for name, value in read]
                except (Unmapped, *_DAMAGED) as reason:
                    problems.add(node, reason if isinstance(reason, Unmapped) else _DAMAGE)
                    found = [_guess(node, self.values) for _ in node.output]
            for name, value in zip(node.output, found, strict=False):
                self.values[name] = value

    def _select(
        self, node: onnx.NodeProto, match: Match, packages: dict[str, str], problems: Problems
    ) -> None:
        name = node.output[0]
        found: Value = Lost()
        votes = [self.values.get(part, Lost()) for part in (match.x, match.keep, match.heads)]
        if not any(isinstance(value, Lost) for value in votes):
            try:
                found = self._noted(name, selected(match, self.values, packages, name))
            except (Unmapped, *_DAMAGED) as reason:
                problems.add(node, reason if isinstance(reason, Unmapped) else _DAMAGE)
        self.values[name] = found

    def _noted(self, name: str, value: Value) -> Value:
        """A value with the scale that the file states for it."""
        unit = self._units.get(name)
        if unit is None or not isinstance(value, View) or value.tensor.scale is not None:
            return value
        if isinstance(value.tensor, ScoreRows):
            return value
        view = value
        if not is_whole(view):
            tokens, columns = places(view)
            if len(tokens) != 1 or len(columns) != view.tensor.features:
                return value
            tensor = stream.pick(view.tensor, int(tokens[0]), name)
            view = View(tensor, np.arange(tensor.features).reshape(view.index.shape))
        view = settle(replace(view, factor=value.factor, shift=value.shift), name)
        return View(replace(view.tensor, name=name, unit=unit), view.index)

    def _read(self, node: onnx.NodeProto) -> list[Value]:
        kind, inputs = node.op_type, [self.values[name] for name in node.input if name]
        if node.domain not in ("", "ai.onnx"):
            raise Unmapped(f"an operator of the domain {node.domain!r}, expected standard ones")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if kind == "Shape" and isinstance(inputs[0], View | Curve):
            return self._folded(node, [np.zeros(inputs[0].index.shape, np.int8)])
        if kind == "DequantizeLinear":
            return [dequantized(node, inputs, attributes)]
        if all(isinstance(value, Constant | Weight) for value in inputs) and kind in FOLDED:
            if kind in ("Transpose", "Identity") and isinstance(inputs[0], Weight):
                return [turned(inputs[0], attributes)]
            return self._folded(node, [real(value) for value in inputs])
        if kind == "Gather" and isinstance(inputs[1], Curve):
            table = real(inputs[0])
            if table.ndim != 1:
                raise Unmapped("a look-up in more than one table")
            return [arithmetic.look_up(table, inputs[1])]
        if kind in MOVES and isinstance(inputs[0], View | Curve):
            return self._moved(node, inputs)
        if kind in PASSED:
            return [passed(node, inputs[0], attributes)]
        handler = HANDLERS.get(kind)
        if handler is None:
            raise Unmapped("the machine has no such operation")
        return [handler(node, inputs, attributes)]

    def _folded(self, node: onnx.NodeProto, arrays: list[NDArray[Any]]) -> list[Value]:
        return [Constant(array) for array in evaluate(node, arrays, self._opset)]

    def _moved(self, node: onnx.NodeProto, inputs: list[Value]) -> list[Value]:
        value = inputs[0]
        assert isinstance(value, View | Curve)
        arrays = [value.index, *[array(other) for other in inputs[1:]]]
        moved = evaluate(node, arrays, self._opset)
        return [replace(value, index=index.astype(np.int64)) for index in moved]


def _guess(node: onnx.NodeProto, values: dict[str, Value]) -> Value:
    """What stands for a node that cannot be mapped, so that those behind it are looked at, too."""
    if node.op_type != "QuantizeLinear":
        return Lost()
    value, scale = (values[name] for name in node.input[:2])
    if isinstance(value, View | Curve) and isinstance(scale, Constant) and scale.array.size == 1:
        step = float(scale.array.ravel()[0])
        return Levels(value, step, 8) if step > 0 else Lost()
    return Lost()
