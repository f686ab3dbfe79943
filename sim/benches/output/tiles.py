"""Output tiles at random, and what the output stage must make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.integer import SHIFT_MAX, lookup, requantize

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tile:
    """An output tile, its parameters and the sums that wait in the accumulators."""

    number: int
    wide: bool
    empty: bool
    table: IntArray | None  # (256)
    addr: int
    slice: int
    bias: IntArray  # (cols)
    mult: IntArray  # (cols)
    shift: IntArray  # (cols)
    sums: IntArray  # (tokens, cols)

    @property
    def slot(self) -> int:
        return self.number % 4

    @property
    def tokens(self) -> int:
        return len(self.sums)

    def parameter_lines(self, line_bytes: int) -> tuple[IntArray, IntArray]:
        """Lines of the biases and of the scales, (lines, bytes) each."""
        scales = self.mult | self.shift << 16
        return (
            self.bias.astype("<i4").view(np.uint8).reshape(-1, line_bytes).astype(np.int64),
            scales.astype("<u4").view(np.uint8).reshape(-1, line_bytes).astype(np.int64),
        )


@dataclass(frozen=True)
class Write:
    """A word slice on its way to the features or the sums."""

    index: str
    wide: bool
    addr: int
    slices: int
    data: IntArray  # (cols)
    last: bool


class Model:
    """The integer semantics, and the order of the writes."""

    def results(self, tile: Tile) -> IntArray:
        """(tokens, cols)"""
        sums = np.zeros_like(tile.sums) if tile.empty else tile.sums
        wide = tile.wide and tile.table is None
        result = requantize(sums, tile.bias, tile.mult, tile.shift, 16 if wide else 8)
        return result if tile.table is None else lookup(result, tile.table)

    def writes(self, tile: Tile) -> Iterator[Write]:
        for token, row in enumerate(self.results(tile)):
            yield Write(
                index=f"tile {tile.number}, token {token}",
                wide=tile.wide,
                addr=tile.addr + token,
                slices=1 << tile.slice,
                data=row,
                last=token + 1 == tile.tokens,
            )


def random_tiles(count: int, config: ArrayConfig, rng: np.random.Generator) -> list[Tile]:
    """Tiles in runs of one GELU table or none, as an instruction's are."""
    tiles: list[Tile] = []
    while len(tiles) < count:
        gelu = bool(rng.integers(2))
        table = rng.integers(-128, 128, 256) if gelu else None
        wide = bool(rng.integers(2))
        for _ in range(rng.integers(1, 4)):
            tiles.append(_random_tile(len(tiles), wide, table, config, rng))
    return tiles


def _random_tile(
    number: int, wide: bool, table: IntArray | None, config: ArrayConfig, rng: np.random.Generator
) -> Tile:
    cols = config.cols
    tokens = int(rng.integers(1, 3 if rng.random() < 0.3 else config.acc_depth + 1))
    return Tile(
        number=number,
        wide=wide,
        empty=bool(rng.random() < 0.25),
        table=table,
        addr=int(rng.integers(1 << 20)),
        slice=int(rng.integers(config.word_bytes // cols)),
        bias=rng.integers(-(1 << 20), 1 << 20, cols),
        mult=rng.integers(1 << 16, size=cols),
        shift=np.where(
            rng.random(cols) < 0.8,
            rng.integers(22, 34, cols),
            rng.integers(SHIFT_MAX + 1, size=cols),
        ),
        sums=rng.integers(-(1 << 20), 1 << 20, (tokens, cols)),
    )
