"""`tokens.svg`: which patches stay, drawn over images, selector by selector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from hw.errors import UserError
from prune.models import LoadedModel
from prune.quantize import normalize
from prune.tokens import recording
from prune.tokens.access import selectors_of
from prune.tokens.stages import architecture
from prune.views.page import COLORS, INK, MUTED, save_svg

NAME = "tokens.svg"
PAPER = 0.94
"""Grey that a dropped patch fades to."""
_FADED = 0.82
"""How far it fades."""
_BORDER = COLORS[1]
_SIDE = 1.25
"""Inches of an image's longer side."""
_GAP = 0.16
_MARGIN = 0.25
_TITLE, _HEAD, _CAPTION = 0.5, 0.3, 0.24
"""Inches of the title, of the columns' names, and of the line below an image."""
_LETTERS = 0.088, 0.056
"""Inches that a letter of the title's lines takes at most, on average."""
_PIXELS = 112
"""Least pixels of a drawn image's longer side: renderers blur what they enlarge."""


@dataclass(frozen=True)
class Stage:
    """What a selector left of N images."""

    block: int
    """Before which it stands."""
    keep: NDArray[np.bool_]
    """(N, patches), in the order of the image."""
    tokens: NDArray[np.int64]
    """(N) live ones behind it, prefix and package included."""


@torch.no_grad()
def stages(loaded: LoadedModel, pixels: Tensor) -> list[Stage]:
    """What the selectors of a model leave of pixels in [0, 1] (N, C, H, W).

    Raises:
        UserError: it has none.
    """
    if not selectors_of(loaded.model):
        raise UserError(
            f"{loaded.name}: has no token selectors, so nothing to draw; train some with "
            "`python -m prune tokens`"
        )
    with recording(loaded.model) as record:
        loaded.model(normalize(loaded, pixels))
    return [
        Stage(block, (s.keep > 0.5).numpy(), s.tokens.round().long().numpy())
        for block, s in record.items()
    ]


def grid(patches: int, height: int, width: int) -> tuple[int, int]:
    """Patches down and across of an image that is cut into so many."""
    pairs = [(n, patches // n) for n in range(1, patches + 1) if patches % n == 0]
    return min(pairs, key=lambda pair: abs(np.log(pair[0] / pair[1] / (height / width))))


def overlay(image: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """RGB (H', W', 3), enlarged by a whole factor, with the patches that go faded.

    Args:
        image: (C, H, W) in [0, 1], of one channel or three.
        keep: (patches)
    """
    channels, height, width = image.shape
    factor = max(1, -(-_PIXELS // max(height, width)))
    large = image.repeat(factor, axis=1).repeat(factor, axis=2)
    rgb = np.moveaxis(large if channels == 3 else large[:1].repeat(3, axis=0), 0, -1)
    down, across = grid(len(keep), height, width)
    rows, columns = (np.arange(n) * k // n for n, k in zip(rgb.shape, (down, across), strict=False))
    stays = keep.reshape(down, across)[rows][:, columns]
    faded = (1 - _FADED) * rgb.mean(axis=2, keepdims=True) + _FADED * PAPER
    return np.where(stays[..., None], rgb, faded)


def borders(keep: NDArray[np.bool_]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Sides, ((x, y), (x, y)), between patches (down, across) that stay and that go."""
    upright = np.argwhere(keep[:, 1:] != keep[:, :-1]).tolist()
    level = np.argwhere(keep[1:] != keep[:-1]).tolist()
    return [
        *(((x + 1, y), (x + 1, y + 1)) for y, x in upright),
        *(((x, y + 1), (x + 1, y + 1)) for y, x in level),
    ]


def draw(name: str, pixels: Tensor, found: list[Stage], prefix: int) -> Figure:
    """A row an image, a column a selector, behind the image as it is.

    Args:
        name: of the model.
        pixels: (N, C, H, W) in [0, 1].
        found: as from `stages`, at least one.
        prefix: tokens in front of the patches.
    """
    count, _, height, width = pixels.shape
    tall, wide = (_SIDE * side / max(height, width) for side in (height, width))
    everything = np.ones_like(found[0].keep)
    start = np.full(count, everything.shape[1] + prefix)
    columns = [("image", everything, start)]
    columns += [(f"before block {s.block}", s.keep, s.tokens) for s in found]
    title = _title(name, found, start)
    words = max(len(text) * letter for text, letter in zip(title, _LETTERS, strict=True))
    page = 2 * _MARGIN + max(len(columns) * (wide + _GAP) - _GAP, words)
    below = tall + _CAPTION
    figure = Figure(figsize=(page, 2 * _MARGIN + _TITLE + _HEAD + count * below))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, page)
    axes.set_ylim(figure.get_size_inches()[1], 0)
    axes.axis("off")
    for line, (text, color, size) in enumerate(zip(title, (INK, MUTED), (10, 8), strict=True)):
        axes.text(_MARGIN, _MARGIN + 0.2 * line, text, color=color, fontsize=size, va="center")
    for place, (head, keep, tokens) in enumerate(columns):
        x = _MARGIN + place * (wide + _GAP)
        y = _MARGIN + _TITLE
        axes.text(x, y + 0.12, head, color=INK, fontsize=9, weight="bold", va="center")
        y += _HEAD
        for image, stays, live in zip(pixels.numpy(), keep, tokens, strict=True):
            _place(axes, image.astype(np.float64), stays, (x, y, wide, tall))
            axes.text(x, y + tall + 0.1, f"{live} tokens", color=MUTED, fontsize=8, va="center")
            y += below
    return figure


def _title(name: str, found: list[Stage], start: NDArray[np.int64]) -> tuple[str, str]:
    last = found[-1].tokens
    live = f"{last.min()}" if last.min() == last.max() else f"{last.min()} to {last.max()}"
    return name, (
        f"{start[0]} tokens enter, {live} are left, with the class token and the package token; "
        "faded patches were dropped"
    )


def _place(
    axes: Axes,
    image: NDArray[np.float64],
    keep: NDArray[np.bool_],
    box: tuple[float, float, float, float],
) -> None:
    """An image, and a line around what stays of it."""
    x, y, wide, tall = box
    extent = (x, x + wide, y + tall, y)
    axes.imshow(overlay(image, keep), extent=extent, interpolation="none", aspect="auto")
    down, across = grid(len(keep), *image.shape[1:])
    lines = np.array(borders(keep.reshape(down, across)), dtype=float).reshape(-1, 2, 2)
    lines = lines * (wide / across, tall / down) + (x, y)
    axes.add_collection(LineCollection(list(lines), colors=_BORDER, linewidths=0.8))


def write_tokens(out: Path, loaded: LoadedModel, pixels: Tensor) -> Path:
    """Write `out/views/tokens.svg` of pixels in [0, 1] (N, C, H, W), and give its path.

    Raises:
        UserError: the model has no selectors.
    """
    found = stages(loaded, pixels)
    prefix = architecture(loaded.model).prefix
    path = out / "views" / NAME
    save_svg(draw(loaded.name, pixels, found, prefix), path)
    return path
