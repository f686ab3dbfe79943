"""Additions, factors and functions of single elements, while a graph is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.onnx.qdq import curves
from hw.onnx.qdq.scaling import by_token, scaled, settle, shifted
from hw.onnx.qdq.stream import add_positions, add_tensors
from hw.onnx.qdq.values import (
    WIDE,
    ZERO,
    Constant,
    Curve,
    Embedded,
    Pixels,
    Product,
    ScoreRows,
    Table,
    Value,
    View,
    Weight,
)
from hw.quantization import Floats

_Binary = Callable[[Any, Any], Any]

BINARY: dict[str, _Binary] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
}
UNARY: dict[str, curves.Function] = {
    "Erf": curves.erf,
    "Tanh": np.tanh,
    "Sigmoid": curves.sigmoid,
    "Relu": curves.relu,
    "Exp": np.exp,
    "Sqrt": np.sqrt,
    "Neg": np.negative,
    "Abs": np.abs,
    "Round": np.rint,
    "Floor": np.floor,
    "Ceil": np.ceil,
}


def binary(node: onnx.NodeProto, a: Value, b: Value) -> Value:
    """Two values, of which at most one is constant, joined element by element.

    Raises:
        Unmapped: the machine has no such operation.
    """
    kind, name = node.op_type, node.output[0]
    for value, other, turned in ((a, b, False), (b, a, True)):
        if isinstance(other, Weight):
            other = Constant(other.levels * other.scales)
        if isinstance(other, Constant) and isinstance(value, View | Curve):
            if other.array.size == 1:
                return _with_scalar(kind, value, float(other.array.ravel()[0]), turned, name)
            if isinstance(value, View):
                return _with_array(kind, value, other.array, turned, name)
            raise Unmapped("an activation function with a constant for each feature")
    if isinstance(a, View) and isinstance(b, View) and kind == "Add" and not _same(a, b):
        return add_tensors(a, b, name)
    first, second = _curve(a), _curve(b)
    if first.product is not second.product or not np.array_equal(first.index, second.index):
        raise Unmapped(f"{kind} of two different tensors")
    function, f, g = BINARY[kind], first.function, second.function
    return Curve(first.product, first.index, lambda x: function(f(x), g(x)))


def unary(function: curves.Function, value: Value) -> Value:
    """A function of each element.

    Raises:
        Unmapped: it does not follow a linear layer.
    """
    curve = _curve(value)
    inner = curve.function
    return Curve(curve.product, curve.index, lambda x: function(inner(x)))


def look_up(table: NDArray[Any], places: Curve) -> Curve:
    """`table[places]`."""
    inner, entries = places.function, table.astype(np.float64)
    last = len(entries) - 1

    def function(x: Floats) -> Floats:
        found = inner(x).astype(np.int64)
        return entries[np.clip(np.where(found < 0, found + last + 1, found), 0, last)]

    return Curve(places.product, places.index, function)


def _same(a: View, b: View) -> bool:
    return a.tensor is b.tensor and np.array_equal(a.index, b.index)


def _curve(value: Value) -> Curve:
    """A value as a function of a linear layer's elements."""
    if isinstance(value, Curve):
        return value
    if isinstance(value, View) and (value.index != ZERO).all():
        factor, shift, tensor = value.factor, value.shift, value.tensor
        if isinstance(tensor, Product):
            return Curve(tensor, value.index, lambda x: x * factor + shift)
        if isinstance(tensor, Table):
            inner = tensor.function
            return Curve(tensor.product, value.index, lambda x: inner(x) * factor + shift)
    what = value.tensor.name if isinstance(value, View) else "a constant"
    raise Unmapped(f"a function of {what}; the machine has functions behind linear layers alone")


def _with_scalar(kind: str, value: View | Curve, scalar: float, turned: bool, name: str) -> Value:
    if isinstance(value, View):
        factor, shift = value.factor, value.shift
        if kind == "Add":
            return _open(View(value.tensor, value.index, factor, shift + scalar), name)
        if kind == "Sub":
            sign = -1.0 if turned else 1.0
            moved = shift * sign + (scalar if turned else -scalar)
            return _open(View(value.tensor, value.index, factor * sign, moved), name)
        if kind == "Mul" or (kind == "Div" and not turned):
            by = scalar if kind == "Mul" else 1.0 / scalar
            return _open(View(value.tensor, value.index, factor * by, shift * by), name)
    curve, function = _curve(value), BINARY[kind]
    inner = curve.function
    if turned:
        return Curve(curve.product, curve.index, lambda x: function(scalar, inner(x)))
    return Curve(curve.product, curve.index, lambda x: function(inner(x), scalar))


def _open(view: View, name: str) -> View:
    """The factor goes at once into what cannot be an activation function's input."""
    if isinstance(view.tensor, Pixels) or (
        isinstance(view.tensor, ScoreRows) and not view.tensor.softened
    ):
        return settle(view, name)
    return view


def _with_array(kind: str, view: View, array: NDArray[Any], turned: bool, name: str) -> Value:
    if turned and kind in ("Sub", "Div"):
        raise Unmapped(f"{kind} of a constant and a tensor")
    view = settle(view, name)
    tensor = view.tensor
    if kind in ("Add", "Sub"):
        array = -array if kind == "Sub" else array
        behind_prefix = (view.index == ZERO).any()
        if behind_prefix or isinstance(tensor, Embedded):
            return add_positions(view, array, name)
        table = by_token(view, array)
        if len(table) == 1 and not isinstance(tensor, WIDE):
            return View(shifted(tensor, table[0], name), view.index)
        return add_positions(view, array, name)
    if kind in ("Mul", "Div"):
        table = by_token(view, array if kind == "Mul" else 1.0 / array)
        if len(table) == 1:
            return View(scaled(tensor, table[0], name), view.index)
        raise Unmapped("a factor that differs from token to token")
    raise Unmapped(f"{kind} with a constant for each feature")
