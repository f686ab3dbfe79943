"""Choosing scales: the one, out of a range of clippings, with the smallest squared error."""

from __future__ import annotations

import numpy as np

from hw.integer import INT8_MAX, INT16_MAX
from hw.quantization import Floats, round_half_up, to_int8
from prune.quantize.observe import Site

_CLIPPINGS = np.geomspace(0.1, 1.0, 40)
_WEIGHT_CLIPPINGS = (1.0, 0.95, 0.9, 0.85, 0.8)
_STREAM_MARGIN = 1.25


def int8_scale(site: Site) -> float:
    """Scale of an int8 tensor that holds what was seen at a site; 1 for all zeros."""
    if site.peak == 0:
        return 1.0
    candidates = [float(site.peak * clipping / INT8_MAX) for clipping in _CLIPPINGS]

    def error(scale: float) -> float:
        return float(np.square(to_int8(site.values, scale) * scale - site.values).sum())

    return min(candidates, key=error)


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
