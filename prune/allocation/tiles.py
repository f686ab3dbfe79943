"""Which weight tiles of the array hold the blocks of a layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.ir import Linear, Network
from hw.program.schedule import Kept, Schedule, input_positions, tile_grid
from prune.blocks import BlockGrid


class TileMap:
    """A layer's weights cut at the borders of blocks and of tiles alike, into cells.

    A tile is kept when a cell in it has a weight other than zero and lies in a kept block.
    """

    def __init__(self, op: Linear, network: Network, schedule: Schedule, grid: BlockGrid) -> None:
        config = schedule.config
        target = schedule.placements[op.output]
        self._grid = tile_grid(op, schedule)
        self._out = _Cut(target.positions(config.word_bytes) // config.cols, grid.block[0])
        self._in = _Cut(input_positions(op, schedule) // config.rows, grid.block[1])
        weights = network.param(op, "weight") != 0
        by_out = np.logical_or.reduceat(weights, self._out.starts, axis=0)
        self._weights = np.logical_or.reduceat(by_out, self._in.starts, axis=1)

    def kept(self, keep: NDArray[np.bool_]) -> Kept:
        """(input tiles, output tiles) that stay with these blocks, bool of the grid's size."""
        cells = self._weights & keep[np.ix_(self._out.block, self._in.block)]
        by_out = np.logical_or.reduceat(cells, self._out.first_cell, axis=0)
        tiles = np.logical_or.reduceat(by_out, self._in.first_cell, axis=1)
        kept = np.zeros(self._grid, bool)
        kept[np.ix_(self._in.tile, self._out.tile)] = tiles.T
        return kept


class _Cut:
    """One axis: cells in the order of the features, as tiles never go back."""

    def __init__(self, tile_of: NDArray[np.int64], block: int) -> None:
        block_of = np.arange(len(tile_of)) // block
        new = np.diff(tile_of, prepend=-1) + np.diff(block_of, prepend=-1)
        self.starts = np.flatnonzero(new)
        """First feature of every cell."""
        self.block = block_of[self.starts]
        """Of every cell."""
        tiles = tile_of[self.starts]
        self.first_cell = np.flatnonzero(np.diff(tiles, prepend=-1))
        """Of every tile that has features."""
        self.tile = tiles[self.first_cell]
