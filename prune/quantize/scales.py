"""Choosing scales: the one, out of a range of clippings, with the smallest squared error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hw.integer import INT8_MAX, INT8_MIN, INT16_MAX

Floats = NDArray[np.float64]

_CLIPPINGS = np.geomspace(0.1, 1.0, 40)
_WEIGHT_CLIPPINGS = (1.0, 0.95, 0.9, 0.85, 0.8)
_STREAM_MARGIN = 1.25


def round_half_up(x: Floats) -> Floats:
    """The machine's rounding rule, on reals."""
    return np.floor(x + 0.5)


def to_int8(x: Floats, scale: float | Floats) -> Floats:
    """Nearest int8 levels, as floats."""
    return np.clip(round_half_up(x / scale), INT8_MIN, INT8_MAX)


def int8_scale(samples: Floats, peak: float) -> float:
    """Scale of an int8 tensor from a sample of its values and their largest magnitude."""
    return best_scale(peak, lambda scale: to_int8(samples, scale) * scale - samples)


def best_scale(peak: float, error: Callable[[float], Floats]) -> float:
    """The clipping of `peak` whose `error` has the smallest mean square; 1 for all zeros."""
    if peak == 0:
        return 1.0
    candidates = [float(peak * clipping / INT8_MAX) for clipping in _CLIPPINGS]
    return min(candidates, key=lambda scale: float(np.mean(error(scale) ** 2)))


def int16_scale(peak: float) -> float:
    """Scale of an int16 tensor, with room for values beyond those of the calibration images."""
    return peak * _STREAM_MARGIN / INT16_MAX if peak > 0 else 1.0


def weight_scales(weight: Floats) -> Floats:
    """Scale of every output channel (out) of a weight matrix (out, in); 0 for channels of zeros."""
    peak = np.abs(weight).max(axis=1) / INT8_MAX
    best = np.zeros_like(peak)
    smallest = np.full_like(peak, np.inf)
    for clipping in _WEIGHT_CLIPPINGS:
        scale = np.where(peak > 0, peak * clipping, 1.0)[:, None]
        levels = np.clip(round_half_up(weight / scale), -INT8_MAX, INT8_MAX)
        error = np.square(levels * scale - weight).sum(axis=1)
        better = error < smallest
        best[better], smallest[better] = scale[better, 0], error[better]
    return np.where(peak > 0, best, 0.0)
