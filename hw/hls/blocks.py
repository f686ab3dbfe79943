"""The kept blocks of a linear layer, in the order in which its kernel takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class KeptBlocks:
    """The blocks of a weight that are not all zero, a row of blocks after another."""

    payload: NDArray[np.int8]
    """(blocks, block out, block in); what hangs over the weight's edge is 0."""
    rows: NDArray[np.int64]
    """(blocks), in the grid of blocks."""
    columns: NDArray[np.int64]
    """(blocks)"""
    ends: NDArray[np.int64]
    """(blocks), 1 for the last block of a row."""
    empty: NDArray[np.int64]
    """Rows without a block."""


def kept_blocks(weight: NDArray[np.int8], block_shape: tuple[int, int]) -> KeptBlocks:
    """The kept blocks of int8 `weight` (out, in), cut into blocks of `block_shape` (out, in)."""
    height, width = block_shape
    outs, ins = -(-weight.shape[0] // height), -(-weight.shape[1] // width)
    padded = np.zeros((outs * height, ins * width), weight.dtype)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    grid = padded.reshape(outs, height, ins, width).swapaxes(1, 2)
    kept = grid.any(axis=(2, 3))
    rows, columns = kept.nonzero()
    ends = np.append(rows[1:] != rows[:-1], [True][: len(rows)])
    empty = np.flatnonzero(~kept.any(axis=1))
    return KeptBlocks(grid[kept], rows, columns, ends.astype(np.int64), empty)
