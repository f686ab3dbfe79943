"""Equal slope for one price: how many blocks each layer loses to save a given amount.

At the optimum of a separable convex problem every layer gives up blocks until the next one harms as
much per unit saved as anywhere else. A curve that is not convex is replaced by its lower convex
hull, whose corners are the only points that an optimum at some slope can take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class EqualSlope:
    """The optimum over the hulls, of whose segments one is taken in part, and its rounding."""

    removed: Counts
    """(layers): blocks to remove; the segment in part is cut at the block that reaches the sum."""
    corners: Counts
    """(layers): the same without that segment: each at a corner of its hull."""
    cut: tuple[int, int, float]
    """Layer of the segment in part, its last point, and the share of it that is needed."""
    slope: float
    """Of that segment: objective per unit saved; 0 when nothing is required."""

    def total(self, values: Floats, first: Counts) -> float:
        """Sum over the layers of any curve at this optimum, `values` and `first` as below."""
        layer, end, share = self.cut
        at = first[:-1] + self.corners
        missing = values[first[layer] + end] - values[at[layer]]
        return float(values[at].sum() + share * missing)


def equal_slope(saved: Floats, objective: Floats, first: Counts, required: float) -> EqualSlope:
    """The blocks that go so that the layers together save at least `required`.

    The hull segments of all layers are taken in the order of their slopes until the saving is
    reached. When the layers cannot save as much, everything the curves hold goes; when nothing is
    required, nothing.

    Args:
        saved: (points): the layers' curves one after the other, each from 0 and never falling.
        objective: (points): what is minimised.
        first: (layers + 1): the first point of every layer, and the number of points.
    """
    layer, start, end = _segments(saved, objective, first)
    saving = saved[first[layer] + end] - saved[first[layer] + start]
    slope = (objective[first[layer] + end] - objective[first[layer] + start]) / saving
    order = np.argsort(slope, kind="stable")
    reached = np.cumsum(saving[order])
    whole = int(np.searchsorted(reached, required))
    corners = np.zeros(len(first) - 1, np.int64)
    np.maximum.at(corners, layer[order[:whole]], end[order[:whole]])
    removed = corners.copy()
    if required <= 0 or whole == len(order):
        steepest = float(slope[order[-1]]) if len(order) and required > 0 else 0.0
        return EqualSlope(removed, corners, (0, int(corners[0]), 0.0), steepest)
    last = order[whole]
    missing = required - (reached[whole - 1] if whole else 0.0)
    begin = first[layer[last]] + start[last]
    inside = saved[begin : first[layer[last]] + end[last] + 1] - saved[begin]
    removed[layer[last]] = start[last] + int(np.searchsorted(inside, missing))
    cut = int(layer[last]), int(end[last]), float(missing / saving[last])
    return EqualSlope(removed, corners, cut, float(slope[last]))


def lower_hull(x: Floats, y: Floats) -> Counts:
    """Indices of the lower convex hull of the points (x, y), x never falling.

    The first point is the first corner. Of other points at one x only the lowest can be a corner.
    """
    hull = np.empty(len(x), np.int64)
    return hull[: _hull(x, y, hull)]


@njit(cache=True)
def _hull(x, y, hull):  # type: ignore[no-untyped-def]
    """Write the hull's indices into `hull`; return how many."""
    size = 0
    for index in range(len(x)):
        if size and x[index] == x[hull[size - 1]]:
            if size == 1 or y[index] >= y[hull[size - 1]]:
                continue
            size -= 1
        while size > 1:
            before, last = hull[size - 2], hull[size - 1]
            rise = (y[last] - y[before]) * (x[index] - x[before])
            if rise < (y[index] - y[before]) * (x[last] - x[before]):
                break
            size -= 1
        hull[size] = index
        size += 1
    return size


@njit(cache=True)
def _segments(saved, objective, first):  # type: ignore[no-untyped-def]
    """Layer, first and last point (counted from the layer's own) of every hull segment."""
    found = np.empty((3, len(saved)), np.int64)
    hull = np.empty(len(saved), np.int64)
    count = 0
    for layer in range(len(first) - 1):
        x, y = saved[first[layer] : first[layer + 1]], objective[first[layer] : first[layer + 1]]
        for corner in range(1, _hull(x, y, hull)):
            found[0, count], found[1, count] = layer, hull[corner - 1]
            found[2, count] = hull[corner]
            count += 1
    return found[0, :count], found[1, :count], found[2, :count]
