"""Fitting the 256-entry table of an activation function between two linear layers.

The table's input and output each have a scale and a center, as both neighbours can absorb a
constant in their bias. GELU's short negative tail then takes few of the 256 levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hw.integer import INT8_MIN
from prune.quantize.observe import Floats
from prune.quantize.scales import to_int8

_LEVELS = 256
_HIGH_CLIPPINGS = np.geomspace(0.1, 1.0, 24)
_LOW_CLIPPINGS = np.geomspace(0.1, 1.0, 12)
_SAMPLES = 1 << 14


@dataclass(frozen=True)
class Table:
    """int8 entries; integer i stands for `i * scale + center` on either side."""

    entries: NDArray[np.int8]
    scale_in: float
    center_in: float
    scale_out: float
    center_out: float


def apply_activation(activation: nn.Module, x: Floats) -> Floats:
    """The activation function of a timm MLP, on an array."""
    with torch.no_grad():
        return activation(torch.from_numpy(np.array(x, dtype=np.float64))).numpy()


def _span(low: float, high: float) -> tuple[float, float]:
    """Scale and center that map int8 onto [low, high]."""
    scale = (high - low) / (_LEVELS - 1) or 1.0
    return scale, low - INT8_MIN * scale


def fit_table(activation: nn.Module, x: Floats) -> Table:
    """The table with the smallest squared error over samples `x` of the function's input."""
    x = np.concatenate([x[:_SAMPLES], [x.min(), x.max()]])
    wanted = apply_activation(activation, x)
    bottom, top = float(wanted.min()), float(wanted.max())
    spans_out = [_span(bottom, bottom + (top - bottom) * part) for part in _HIGH_CLIPPINGS]

    def error_out(span: tuple[float, float]) -> float:
        scale, center = span
        return float(np.square(to_int8(wanted - center, scale) * scale + center - wanted).sum())

    scale_out, center_out = min(spans_out, key=error_out)
    levels = np.arange(INT8_MIN, INT8_MIN + _LEVELS).astype(np.float64)
    best, smallest = None, np.inf
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    for low_part, high_part in product(_LOW_CLIPPINGS, _HIGH_CLIPPINGS):
        scale_in, center_in = _span(low * low_part, high * high_part)
        outputs = apply_activation(activation, levels * scale_in + center_in) - center_out
        entries = to_int8(outputs, scale_out)
        indices = to_int8(x - center_in, scale_in).astype(np.int64) - INT8_MIN
        error = float(np.square(entries[indices] * scale_out + center_out - wanted).sum())
        if error < smallest:
            smallest = error
            best = Table(entries.astype(np.int8), scale_in, center_in, scale_out, center_out)
    assert best is not None
    return best
