"""Equal-slope allocation: how many blocks each layer loses to save a given cost.

At the optimum of a separable convex problem every layer gives up blocks until the next one harms as
much per unit of cost saved as anywhere else. A curve that is not convex is replaced by its lower
convex hull, whose corners are the only points that an optimum at some slope can take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Curve:
    """One layer: index n is the state after its first n blocks went."""

    saved: NDArray[np.float64]
    """Cost saved: from 0, never falling."""
    objective: NDArray[np.float64]
    """What is minimised."""


def lower_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the lower convex hull of the points (x, y), x never falling.

    The first point is the first corner. Of other points at one x only the lowest can be a corner.
    """
    order = np.lexsort((y, x))
    lowest = order[np.searchsorted(x[order], np.unique(x))]
    lowest[0] = 0
    hull: list[int] = []
    for index in lowest.tolist():
        while len(hull) > 1:
            first, last = hull[-2], hull[-1]
            rise = (y[last] - y[first]) * (x[index] - x[first])
            if rise < (y[index] - y[first]) * (x[last] - x[first]):
                break
            hull.pop()
        hull.append(index)
    return np.array(hull, dtype=np.int64)


def allocate(curves: Mapping[str, Curve], required: float) -> dict[str, int]:
    """Blocks to remove from each layer so that at least `required` cost is saved.

    The hull segments of all layers are taken in the order of their slopes; bisection finds the
    slope at which the saving is reached, and the segment of that slope is cut at a block. When the
    layers together cannot save as much, everything the curves hold goes.
    """
    if not curves:
        return {}
    names = list(curves)
    layers, starts, ends, slopes, savings = [], [], [], [], []
    for layer, curve in enumerate(curves.values()):
        hull = lower_hull(curve.saved, curve.objective)
        saving = np.diff(curve.saved[hull])
        layers.append(np.full(len(saving), layer))
        starts.append(hull[:-1])
        ends.append(hull[1:])
        savings.append(saving)
        slopes.append(np.diff(curve.objective[hull]) / saving)
    layer_of, start, end, slope, saving = map(
        np.concatenate, (layers, starts, ends, slopes, savings)
    )
    order = np.argsort(slope, kind="stable")
    reached = np.cumsum(saving[order])
    whole = int(np.searchsorted(reached, required))

    removed = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(removed, layer_of[order[:whole]], end[order[:whole]])
    if whole < len(order):
        last = order[whole]
        missing = required - (reached[whole - 1] if whole else 0.0)
        saved = list(curves.values())[layer_of[last]].saved
        inside = saved[start[last] : end[last] + 1] - saved[start[last]]
        removed[layer_of[last]] = start[last] + int(np.searchsorted(inside, missing))
    return dict(zip(names, removed.tolist(), strict=True))
