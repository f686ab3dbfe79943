"""`sweep.svg`: top-1 against the share of the dense cycles, a plot a block shape."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prune.blocks import BlockShape
from prune.sweep.table import Cell, Table
from prune.views.page import COLORS, INK, MARKERS, MUTED, plain, spread

_PLOT = (3.6, 3.0)
"""Inches of a plot, its labels aside."""
_LETTER = 0.082
"""Inches that a letter of a label takes at most, on average."""
_LINE = 0.19
"""Inches from one label to the next."""


def draw(tables: list[Table], what: str) -> Figure:
    """One plot a table, side by side, labelled at the lines' ends.

    Args:
        tables: of one figure each method, share and block shape; of the same methods.
        what: the title: the model and its images.
    """
    longest = max(len(name) for table in tables for name in [*table.rows, "dense 99.9"])
    left, right, bottom, top = 0.62, 0.4 + _LETTER * longest, 0.55, 0.72
    step = left + _PLOT[0] + right
    width, height = len(tables) * step, bottom + _PLOT[1] + top
    figure = Figure(figsize=(width, height))
    plots: list[Axes] = []
    for index, table in enumerate(tables):
        start = (index * step + left) / width
        box = (start, bottom / height, _PLOT[0] / width, _PLOT[1] / height)
        plots.append(figure.add_axes(box, sharey=plots[0] if plots else None))
        _plot(plots[-1], table)
    plots[0].set_ylabel("top-1, %", color=INK)
    low, high = 0.0, plots[0].get_ylim()[1]
    plots[0].set_ylim(low, high)
    for axes, table in zip(plots, tables, strict=True):
        _label(axes, table, _LINE * (high - low) / _PLOT[1])
    figure.text(left / width, 1 - 0.26 / height, what, color=INK, fontsize=10, va="center")
    return figure


def block_name(block: BlockShape) -> str:
    return f"{block[0]}x{block[1]}"


def _style(index: int) -> tuple[str, str, str]:
    """Colour, marker and line of a method by its place among all."""
    return (
        COLORS[index % len(COLORS)],
        MARKERS[index % len(MARKERS)],
        ("-", "--", ":")[index // len(COLORS) % 3],
    )


def _plot(axes: Axes, table: Table) -> None:
    plain(axes)
    if table.dense is not None:
        axes.axhline(table.dense, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for index, cells in enumerate(table.rows.values()):
        points = [(share, cell) for share, cell in cells.items() if cell.mean is not None]
        if not points:
            continue
        color, marker, line = _style(index)
        axes.errorbar(
            [100 * share for share, _ in points],
            [_mean(cell) for _, cell in points],
            yerr=[cell.deviation or 0.0 for _, cell in points],
            color=color, marker=marker, linestyle=line, linewidth=1.6, markersize=5, capsize=2,
        )  # fmt: skip
    shares = [100 * share for share in table.shares]
    margin = max(1.5, 0.04 * (max(shares) - min(shares)))
    axes.set_xlim(max(shares) + margin, min(shares) - margin)
    axes.set_xticks(shares)
    axes.set_xticklabels([f"{share:g}" for share in shares])
    axes.set_xlabel("share of the dense cycles, %", color=INK)
    title = f"blocks of {block_name(table.block)}"
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=6)


def _label(axes: Axes, table: Table, gap: float) -> None:
    """Names at the right, level with the ends of their lines, but never on each other."""
    ends: list[tuple[str, str, float, float]] = []
    if table.dense is not None:
        edge = axes.get_xlim()[1]
        ends.append((f"dense {table.dense:.1f}", MUTED, edge, table.dense))
    for index, (name, cells) in enumerate(table.rows.items()):
        reached = [(share, cell) for share, cell in cells.items() if cell.mean is not None]
        if reached:
            share, cell = min(reached, key=lambda item: item[0])
            ends.append((name, _style(index)[0], 100 * share, _mean(cell)))
    low, high = axes.get_ylim()
    heights = spread([y for *_, y in ends], gap)
    heights += max(0.0, low - heights.min()) - max(0.0, heights.max() - high)
    for (name, color, x, y), height in zip(ends, heights, strict=True):
        axes.annotate(
            name,
            xy=(x, y),
            xytext=(1.06, float(height)),
            textcoords=("axes fraction", "data"),
            annotation_clip=False,
            color=INK if color != MUTED else MUTED,
            fontsize=9,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 1,
                "shrinkA": 2,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def _mean(cell: Cell) -> float:
    return np.nan if cell.mean is None else cell.mean
