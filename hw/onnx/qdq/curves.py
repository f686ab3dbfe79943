"""Activation functions, and which of them a table of 256 int8 entries came from.

A table entry is `round((f(i * scale_in + center_in) - center_out) / scale_out)`, saturated, of
which the IR keeps the entries and `scale_out`. The rest is found again by least squares over how
far each value lies outside of its entry's interval of rounding; where nothing is left, `f` in real
numbers with these constants *is* the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.integer import INT8_MAX, INT8_MIN
from hw.quantization import Floats, to_int8

Function = Callable[[Floats], Floats]

erf = np.vectorize(math.erf, otypes=[np.float64])
_LEVELS = np.arange(INT8_MIN, INT8_MAX + 1).astype(np.float64)
_REACH = np.geomspace(0.05, 60, 24)
"""Ends of the input that the search starts from."""
_STARTS = 4
_TURNS = 2
"""Times that a table may run through all levels, up or down; with one turning point it does two."""
_STEPS = 60
_MARGIN = 2e-3
"""Distance, in steps, that values shall keep from the ends of their intervals."""


def gelu(x: Floats) -> Floats:
    return x * 0.5 * (1.0 + erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Floats) -> Floats:
    return x * 0.5 * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def sigmoid(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def relu(x: Floats) -> Floats:
    return np.maximum(x, 0.0)


def quick_gelu(x: Floats) -> Floats:
    return x * sigmoid(1.702 * x)


def silu(x: Floats) -> Floats:
    return x * sigmoid(x)


FUNCTIONS: dict[str, Function] = {
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "relu": relu,
    "quick_gelu": quick_gelu,
    "silu": silu,
}


@dataclass(frozen=True)
class Curve:
    """`f(i * scale_in + center_in) - center_out` for the int8 level i; float32 holds them all."""

    function: str
    scale_in: float
    center_in: float
    center_out: float

    def entries(self, scale_out: float) -> NDArray[np.int8]:
        """The table of 256 entries."""
        values = FUNCTIONS[self.function](_LEVELS * self.scale_in + self.center_in)
        return to_int8(values - self.center_out, scale_out).astype(np.int8)


def find_curve(table: NDArray[np.int8], scale_out: float) -> Curve | None:
    """The curve whose table is this one, entry by entry; None where there is none known."""
    if np.abs(np.diff(table.astype(np.int64))).sum() > _TURNS * len(table):
        return None
    for name, function in FUNCTIONS.items():
        for start in _starts(function, table, scale_out):
            found = _refine(function, table, scale_out, start)
            curve = Curve(name, *(float(np.float32(value)) for value in found))
            if curve.scale_in > 0 and np.array_equal(curve.entries(scale_out), table):
                return curve
    return None


def _starts(function: Function, table: NDArray[np.int8], scale_out: float) -> list[Floats]:
    """Coarse (scale_in, center_in, center_out), the best ones first."""
    low, high = np.meshgrid(-_REACH, np.append(_REACH, [0.0]))
    scale = ((high - low) / (len(_LEVELS) - 1)).ravel()
    center = low.ravel() - INT8_MIN * scale
    values = function(scale[:, None] * _LEVELS + center[:, None]) / scale_out
    inside = (table > INT8_MIN) & (table < INT8_MAX)
    if not inside.any():
        return []
    shift = np.median((values - table)[:, inside], axis=1)
    levels = np.clip(values - shift[:, None], INT8_MIN, INT8_MAX)
    order = np.argsort(np.square(levels - table).sum(axis=1))[:_STARTS]
    return [np.array([scale[i], center[i], shift[i] * scale_out]) for i in order]


def _refine(function: Function, table: NDArray[np.int8], scale_out: float, start: Floats) -> Floats:
    """Levenberg-Marquardt on the distances to the intervals of rounding."""
    low = np.where(table > INT8_MIN, table - 0.5 + _MARGIN, -np.inf)
    high = np.where(table < INT8_MAX, table + 0.5 - _MARGIN, np.inf)
    unit = np.array([1.0 / len(_LEVELS), 1.0, 1.0]) * max(scale_out, 1e-30)

    def outside(point: Floats) -> Floats:
        values = (function(point[0] * _LEVELS + point[1]) - point[2]) / scale_out
        return values - np.clip(values, low, high)

    point, damping = start, 1e-3
    error = outside(point)
    for _ in range(_STEPS):
        if not error.any():
            break
        steps = np.diag(unit * 1e-3)
        slopes = np.stack([(outside(point + step) - error) / 1e-3 for step in steps], axis=1)
        normal = slopes.T @ slopes
        normal += damping * np.diag(np.diag(normal) + 1e-9)
        candidate = point - unit * np.linalg.solve(normal, slopes.T @ error)
        tried = outside(candidate)
        if np.square(tried).sum() < np.square(error).sum():
            point, error, damping = candidate, tried, damping * 0.3
        else:
            damping *= 4.0
    return point
