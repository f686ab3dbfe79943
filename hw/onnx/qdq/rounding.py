"""`QuantizeLinear` and `DequantizeLinear` while a graph is read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.integer import INT8_MAX, INT8_MIN
from hw.onnx.problems import Unmapped
from hw.onnx.qdq.scaling import settle
from hw.onnx.qdq.stream import INT8_STEP
from hw.onnx.qdq.values import (
    WIDE,
    Constant,
    Curve,
    Levels,
    Mixed,
    Norm,
    Pixels,
    Product,
    ScoreRows,
    Table,
    Tensor,
    View,
    Weight,
)
from hw.quantization import Floats

_MIDDLE = {np.dtype(np.int8): 0, np.dtype(np.uint8): 128, np.dtype(np.int16): 0}
"""Zero point of symmetric levels, by their type."""
_SAME_SCALE = 0.01
"""Relative difference of two scales up to which rounding twice counts as rounding once."""


def quantized(value: View | Curve, scale: NDArray[Any], zero: NDArray[Any]) -> Levels:
    """A tensor's levels.

    Raises:
        Unmapped: they are not symmetric, or have several scales.
    """
    middle = _MIDDLE.get(zero.dtype)
    if middle is None or np.any(zero != middle):
        raise Unmapped(
            f"levels of type {zero.dtype} with zero point {zero.ravel()[0]}, expected symmetric "
            "int8; quantize activations symmetrically"
        )
    return Levels(value, _one_scale(scale), 8 * zero.dtype.itemsize)


def _one_scale(scale: NDArray[Any]) -> float:
    values = np.unique(scale)
    if len(values) != 1 or not 0 < values[0] < math.inf:
        raise Unmapped("an activation with several scales or none, expected one positive scale")
    return float(values[0])


def constant_levels(
    levels: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any] | None, axis: int
) -> Weight | Constant:
    """A dequantized constant; one whose levels do not fit int8 is a real constant.

    Raises:
        Unmapped: a scale is not positive, or not one a channel.
    """
    shape = [1] * levels.ndim
    if scale.size > 1:
        if scale.ndim != 1 or not -levels.ndim <= axis < levels.ndim:
            raise Unmapped("scales a block, expected one scale or one a channel")
        shape[axis] = scale.size
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise Unmapped("a scale that is not positive")
    scales = scale.astype(np.float64).reshape(shape)
    if zero is not None and zero.any():
        offsets = zero.astype(np.int64).reshape(shape if zero.size > 1 else [1] * levels.ndim)
        levels = levels.astype(np.int64) - offsets
    if levels.size and (levels.min() < INT8_MIN or levels.max() > INT8_MAX):
        return Constant(levels * scales)
    return Weight(levels.astype(np.int8), scales)


def dequantized(levels: Levels, scale: NDArray[Any], name: str) -> View:
    """A tensor rounded to its levels.

    Raises:
        Unmapped: the machine does not round there, or rounds to other levels.
    """
    if not math.isclose(_one_scale(scale), levels.scale, rel_tol=1e-6):
        raise Unmapped(f"scale {scale.ravel()[0]} behind levels of scale {levels.scale}")
    value, unit = levels.value, levels.scale
    if isinstance(value, Curve):
        return _table(value, unit, name)
    if levels.bits == 16:
        value = settle(value, name)
        if value.tensor.scale is None:
            return View(replace(value.tensor, unit=unit), value.index)
        raise Unmapped(f"16 bits behind the rounding of {value.tensor.name} to 8")
    if isinstance(value.tensor, Table):
        return _again(value, unit, name)
    return _rounded(value, unit, name)


def _rounded(view: View, scale: float, name: str) -> View:
    tensor = view.tensor
    if isinstance(tensor, WIDE):
        unit = scale / abs(view.factor) / INT8_STEP
        known = replace(tensor, unit=tensor.unit or unit)
        return View(known, view.index, view.factor, view.shift)
    if isinstance(tensor, ScoreRows) and not tensor.softened:
        return view
    if tensor.scale is not None:
        return _again(view, scale, name)
    if isinstance(tensor, Product | Norm | Mixed | ScoreRows | Pixels):
        settled = settle(view, name)
        return View(replace(settled.tensor, name=name, scale=scale), view.index)
    raise Unmapped(f"the machine does not round {tensor.name}")


def _again(view: View, scale: float, name: str) -> View:
    """A second rounding of int8 levels: it changes nothing, or takes the place of the first."""
    tensor = view.tensor
    known = (tensor.scale or 0.0) * abs(view.factor)
    if view.shift == 0.0 and math.isclose(known, scale, rel_tol=_SAME_SCALE):
        return view
    if view.shift == 0.0 and isinstance(tensor, Product | Norm):
        rounded = replace(tensor, name=name, scale=scale / abs(view.factor))
        return View(rounded, view.index, view.factor)
    raise Unmapped(
        f"it rounds {tensor.name}, int8 levels of scale {known:.4g}, to scale {scale:.4g}"
    )


def _table(curve: Curve, scale: float, name: str) -> View:
    inner = curve.function

    def rounded(x: Floats) -> Floats:
        return np.clip(np.floor(inner(x) / scale + 0.5), INT8_MIN, INT8_MAX) * scale

    product = curve.product
    table: Tensor = Table(
        name=name,
        tokens=product.tokens,
        features=product.features,
        scale=scale,
        product=product,
        function=rounded,
    )
    return View(table, curve.index)
