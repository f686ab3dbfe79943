"""`masks.svg`: the blocks of every layer, transformer block by transformer block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prune.views import names
from prune.views.folder import Run
from prune.views.page import INK, MUTED

KEPT = (0x1F, 0x3B, 0x5C)
REMOVED = (0xDC, 0xE4, 0xEC)

_PAGE = 11.0
"""Inches across, about."""
_LARGEST = 1.3
"""Inches of the longest side of the largest layer."""
_MARGIN = 0.25
_TITLE = 0.75
"""Inches of the lines above all layers."""
_GAP = 0.16
"""Inches between layers."""
_BETWEEN = 0.3
"""Inches between groups."""
_HEAD, _CAPTION = 0.26, 0.3
"""Inches above a group for its name, and above a layer for its name and density."""
_LETTER = 0.068, 0.088
"""Inches that a letter takes at most, on average: of a layer's name, and of the title."""
_APART = "embedding and head"
_PIXELS = 4
"""Of a block's side: enough for renderers that blur enlarged images."""


@dataclass(frozen=True)
class _Layer:
    caption: str
    keep: NDArray[np.bool_]
    width: float
    height: float

    @property
    def slot(self) -> float:
        """Inches across, its caption included."""
        return max(self.width, _LETTER[0] * len(self.caption))


@dataclass(frozen=True)
class _Panel:
    """The layers of one transformer block, side by side."""

    title: str
    layers: list[_Layer]

    @property
    def width(self) -> float:
        layers = sum(layer.slot + _GAP for layer in self.layers) - _GAP
        return max(layers, 1.3 * _LETTER[0] * len(self.title)) + _BETWEEN

    @property
    def height(self) -> float:
        return _HEAD + _CAPTION + max(layer.height for layer in self.layers) + _BETWEEN


def draw(run: Run) -> Figure:
    """A page of all layers, drawn to one scale: output features down, input features across."""
    lines = _lines(_panels(run))
    title = _title(run)
    widest = max(sum(panel.width for panel in line) for line in lines) - _BETWEEN
    width = 2 * _MARGIN + max(widest, _LETTER[1] * max(map(len, title)))
    heights = [max(panel.height for panel in line) for line in lines]
    height = 2 * _MARGIN + _TITLE + sum(heights) - _BETWEEN
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    _draw_title(axes, title)
    y = _MARGIN + _TITLE
    for line, below in zip(lines, heights, strict=True):
        x = _MARGIN
        for panel in line:
            _draw_panel(axes, panel, x, y)
            x += panel.width
        y += below
    return figure


def _panels(run: Run) -> list[_Panel]:
    largest = max(max(mask.shape) for mask in run.masks.values())
    panels = []
    for group, members in names.by_group(run.masks).items():
        layers = []
        for caption, name in zip(names.captions(members), members, strict=True):
            keep = run.masks[name]
            height, width = (_LARGEST * side / largest for side in keep.shape)
            layers.append(_Layer(caption, keep, width, height))
        panels.append(_Panel(group or _APART, layers))
    return panels


def _lines(panels: list[_Panel]) -> list[list[_Panel]]:
    """Panels from left to right, as many on a line as the page holds; what is no block apart."""
    lines: list[list[_Panel]] = []
    left = 0.0
    for panel in panels:
        if not lines or panel.width > left or lines[-1][-1].title == _APART:
            lines.append([])
            left = _PAGE
        lines[-1].append(panel)
        left -= panel.width
    return lines


def _title(run: Run) -> tuple[str, str]:
    report = run.report
    kept, total = (sum(row[key] for row in run.rows) for key in ("blocks_kept", "blocks_total"))
    block = "x".join(map(str, report["block"]))
    return (
        f"{report['model']}, {report['method']}",
        f"{kept:,} of {total:,} blocks of {block} kept ({kept / total:.1%})",
    )


def _draw_title(axes: Axes, lines: tuple[str, str]) -> None:
    y = _MARGIN
    for line in lines:
        axes.text(_MARGIN, y, line, color=INK, fontsize=10, va="center")
        y += 0.2
    x = _MARGIN
    for color, word in ((KEPT, "kept"), (REMOVED, "removed")):
        axes.fill_between([x, x + 0.12], y - 0.06, y + 0.06, color=_share(color), linewidth=0)
        axes.text(x + 0.18, y, word, color=INK, fontsize=8, va="center")
        x += 0.65
    note = "output features down, input features across"
    axes.text(x + 0.25, y, note, color=MUTED, fontsize=8, va="center")


def _draw_panel(axes: Axes, panel: _Panel, x: float, y: float) -> None:
    axes.text(x, y + _HEAD / 2, panel.title, color=INK, fontsize=9, weight="bold", va="center")
    top = y + _HEAD + _CAPTION
    for layer in panel.layers:
        axes.text(x, top - 0.22, layer.caption, color=INK, fontsize=7, va="center")
        density = f"{layer.keep.mean():.0%}"
        axes.text(x, top - 0.09, density, color=MUTED, fontsize=7, va="center")
        axes.imshow(
            _image(layer.keep),
            extent=(x, x + layer.width, top + layer.height, top),
            interpolation="none",
            aspect="auto",
        )
        x += layer.slot + _GAP


def _image(keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """RGB (pixels down, pixels across, 3)."""
    pixels = keep.repeat(_PIXELS, axis=0).repeat(_PIXELS, axis=1)
    return np.where(pixels[..., None], KEPT, REMOVED).astype(np.uint8)


def _share(color: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = (channel / 255 for channel in color)
    return red, green, blue
