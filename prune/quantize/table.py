"""Fitting the 256-entry table of an activation function between two linear layers.

The table's input and output each have a scale and a center, as both neighbours can absorb a
constant in their bias. GELU's short negative tail then takes few of the 256 levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hw.integer import INT8_MAX, INT8_MIN
from hw.quantization import Floats, to_int8

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


def _best_span(wanted: Floats) -> tuple[float, float]:
    """Scale and center of int8 for values, with the smallest squared error."""
    bottom, top = float(wanted.min()), float(wanted.max())
    spans = [_span(bottom, bottom + (top - bottom) * part) for part in _HIGH_CLIPPINGS]

    def error(span: tuple[float, float]) -> float:
        scale, center = span
        return float(np.square(to_int8(wanted - center, scale) * scale + center - wanted).sum())

    return min(spans, key=error)


def fit_table(
    activation: nn.Module, x: Floats, span_out: tuple[float, float] | None = None
) -> Table:
    """The table with the smallest squared error over samples `x` of the function's input.

    Args:
        span_out: scale and center of the output; None: the best ones.
    """
    x = np.concatenate([x[:_SAMPLES], [x.min(), x.max()]])
    wanted = apply_activation(activation, x)
    scale_out, center_out = span_out or _best_span(wanted)
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


def fit_sigmoid(x: Floats, least: int = 0) -> Table:
    """The logistic function of samples `x`, as `least` to 127 for 0 to 1, not centered."""
    table = fit_table(nn.Sigmoid(), x, (1 / INT8_MAX, 0.0))
    return replace(table, entries=np.maximum(table.entries, np.int8(least)))
