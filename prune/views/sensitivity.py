"""`sensitivity.svg`: how much every layer suffers from saving its cycles."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prune.views import names
from prune.views.folder import LayerCurve, Run
from prune.views.page import COLORS, INK, MUTED, plain

_ACROSS = 3
"""Plots side by side, at most."""
_PLOT = (2.9, 2.2)
"""Inches of a plot; then what lies around and between plots."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.7, 1.3, 0.75, 0.55
_ASIDE, _BELOW = 0.25, 0.4
_DECADES = 7
"""Of distortion, at most."""
_POINTS = 120
"""Points of a drawn curve, at most twice as many."""
_DEPTHS = LinearSegmentedColormap.from_list("depth", colormaps["viridis"](np.linspace(0, 0.9, 64)))
"""First block to last: even in lightness, its light end, too light on white, left out."""


def draw(run: Run) -> Figure:
    """Distortion on a log scale against the share of a layer's cycles saved, a plot a kind."""
    kinds = names.by_kind(run.curves)
    beside = names.OTHERS in kinds and len(kinds) <= _ACROSS  # their names and the colours
    figure, plots = _plots(len(kinds), 2 * _RIGHT if beside else _RIGHT, run.saved_unit)
    groups = [group for group in names.by_group(run.curves) if group]
    scale = Normalize(0, max(1, len(groups) - 1))
    rows = {row["name"]: row for row in run.rows}
    for axes, (kind, members) in zip(plots, kinds.items(), strict=True):
        axes.set_title(kind, loc="left", fontsize=10, color=INK)
        for index, name in enumerate(members):
            color: Any
            if kind == names.OTHERS:
                color, label = COLORS[index % len(COLORS)], name
            else:
                color, label = _DEPTHS(scale(groups.index(names.split(name)[0]))), None
            whole = rows[name].get(f"dense_{run.saved_unit}")
            _line(axes, run.curves[name], rows[name], whole, color, label)
        if kind == names.OTHERS:
            axes.legend(
                fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 0.9), handlelength=1
            )
    largest = max(float(curve.distortion.max()) for curve in run.curves.values())
    if largest > 0:
        plots[0].set_yscale("log")
        low, high = plots[0].get_ylim()
        low = max(low, largest / 10**_DECADES)
        plots[0].set_ylim(low, high)
        decades = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
        plots[0].set_yticks(10.0**decades)
    for axes in plots:
        axes.minorticks_off()
    if len(groups) > 1:
        _depth_bar(figure, plots[0], _RIGHT if beside else 0.0, groups, scale)
    report = run.report
    title = f"{report['model']}, {report['method']}: a circle is what was chosen"
    width, height = figure.get_size_inches()
    figure.text(_LEFT / width, 1 - 0.22 / height, title, fontsize=10, color=INK, va="center")
    return figure


def _plots(count: int, right: float, unit: str) -> tuple[Figure, list[Axes]]:
    """A page of `count` plots of the same axes, and `right` inches beside them."""
    across = min(_ACROSS, count)
    down = -(-count // across)
    width = _LEFT + across * (_PLOT[0] + _ASIDE) + right
    height = _TOP + down * (_PLOT[1] + _BELOW) + _BOTTOM - _BELOW
    figure = Figure(figsize=(width, height))
    plots: list[Axes] = []
    for index in range(count):
        row, column = divmod(index, across)
        left = _LEFT + column * (_PLOT[0] + _ASIDE)
        bottom = height - _TOP - _PLOT[1] - row * (_PLOT[1] + _BELOW)
        box = (left / width, bottom / height, _PLOT[0] / width, _PLOT[1] / height)
        first = plots[0] if plots else None
        axes = figure.add_axes(box, sharex=first, sharey=first)
        plain(axes)
        axes.set_xlim(-3, 103)
        axes.set_xticks(range(0, 101, 20))
        axes.tick_params(labelleft=column == 0, labelbottom=index + across >= count)
        if column == 0:
            axes.set_ylabel("distortion", fontsize=9, color=INK)
        if index + across >= count:
            axes.set_xlabel(f"{unit} saved, % of the layer's", fontsize=9, color=INK)
        plots.append(axes)
    return figure, plots


def _line(
    axes: Axes,
    curve: LayerCurve,
    row: dict[str, Any],
    dense: float | None,
    color: Any,
    label: str | None,
) -> None:
    chosen = row["blocks_total"] - row["blocks_kept"]
    whole = dense or float(curve.saved[-1]) or 1.0
    shown = _drawn(curve.distortion, chosen)
    axes.plot(
        100 * curve.saved[shown] / whole,
        curve.distortion[shown],
        color=color,
        linewidth=1,
        label=label,
    )
    if curve.distortion[chosen] > 0:
        axes.plot(
            100 * curve.saved[chosen] / whole, curve.distortion[chosen], "o", color=color,
            markersize=5, markeredgecolor="white", markeredgewidth=0.8, zorder=3,
        )  # fmt: skip


def _drawn(distortion: NDArray[np.float64], chosen: int) -> NDArray[np.int64]:
    """Points that show the curve: many at its start, the chosen one, none without a logarithm."""
    last = len(distortion) - 1
    found = np.concatenate(
        [np.geomspace(1, max(1, last), _POINTS), np.linspace(0, last, _POINTS), [chosen]]
    )
    points = np.unique(found.round().astype(np.int64))
    return points[distortion[points] > 0]


def _depth_bar(
    figure: Figure, level: Axes, right: float, groups: list[str], scale: Normalize
) -> None:
    """The colours of the transformer blocks, level with a plot, `right` inches beside the last."""
    width, _ = figure.get_size_inches()
    last = max(axes.get_position().x1 for axes in figure.axes)
    box = level.get_position()
    left = last + (0.25 + right) / width
    place = figure.add_axes((left, box.y0, 0.12 / width, box.height))
    bar = figure.colorbar(ScalarMappable(scale, _DEPTHS), cax=place)
    ends = [0, len(groups) - 1]
    bar.set_ticks(ends, labels=[groups[end] for end in ends])
    place.tick_params(labelsize=8, colors=MUTED, labelcolor=INK)
    place.minorticks_off()
