"""The figures' common look, and writing them: the same figure gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hw.artifacts import replacing

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e4e4e4"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#8C6D31")
"""Okabe and Ito's palette for all kinds of colour vision, its yellow, too light on white, replaced
by a brown."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


def plain(axes: Axes) -> None:
    """Light grid behind the data, no box around it."""
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)


def spread(wanted: Sequence[float], gap: float) -> NDArray[np.float64]:
    """Positions at least `gap` apart, in the order of `wanted` and near them.

    Neighbours that are too close are pooled and laid out around their mean, which is the closest
    such layout in least squares.
    """
    order = np.argsort(wanted, kind="stable")
    pools: list[tuple[float, int]] = []  # mean of the first position wanted, members
    for rank, index in enumerate(order.tolist()):
        mean, count = wanted[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, members = pools.pop()
            mean = (before * members + mean * count) / (members + count)
            count += members
        pools.append((mean, count))
    starts = np.concatenate([np.full(count, mean) for mean, count in pools] or [np.zeros(0)])
    positions = np.empty(len(order))
    positions[order] = starts + gap * np.arange(len(order))
    return positions


def save_svg(figure: Figure, path: Path) -> None:
    """Write `figure` on white, without a date, its text as outlines that look alike everywhere."""
    with (
        rc_context({"svg.hashsalt": "blockvit", "svg.fonttype": "path"}),
        replacing(path) as temporary,
    ):
        figure.savefig(
            temporary, format="svg", facecolor="white", metadata={"Date": None, "Creator": None}
        )
