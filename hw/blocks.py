"""A weight as its kept blocks, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_WEIGHTS = 1 << 28
"""Of a layer, its blocks whole: more is taken for a damaged file."""


def split_blocks(
    weight: NDArray[np.int8], block: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """The blocks (out, in) of a weight that are not all zero.

    Returns:
        Their numbers in the grid of blocks, row after row, int32 (kept), rising; and their values
        int8 (kept, block outputs, block inputs), with zeros beyond the edges of the weight.
    """
    rows, columns = _grid(weight.shape, block)
    padded = np.zeros((rows * block[0], columns * block[1]), np.int8)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    blocks = padded.reshape(rows, block[0], columns, block[1]).swapaxes(1, 2)
    blocks = blocks.reshape(rows * columns, *block)
    index = np.flatnonzero(blocks.any(axis=(1, 2)))
    return index.astype(np.int32), blocks[index]


def join_blocks(
    index: NDArray[Any], payload: NDArray[np.int8], shape: tuple[int, int]
) -> NDArray[np.int8]:
    """The weight int8 (out, in) of blocks, as `split_blocks` gives them.

    Raises:
        ValueError: a block lies outside of the weight or stands twice; says what was expected.
    """
    _, *block = payload.shape
    rows, columns = _grid(shape, (block[0], block[1]))
    if rows * columns * block[0] * block[1] > MOST_WEIGHTS:
        raise ValueError(f"a weight of at most {MOST_WEIGHTS} entries")
    if index.shape != payload.shape[:1] or len(np.unique(index)) < len(index):
        raise ValueError("as many different block numbers as blocks")
    if np.any((index < 0) | (index >= rows * columns)):
        raise ValueError(f"block numbers from 0 to {rows * columns - 1}")
    blocks = np.zeros((rows * columns, *block), np.int8)
    blocks[index] = payload
    grid = blocks.reshape(rows, columns, *block).swapaxes(1, 2)
    whole = grid.reshape(rows * block[0], columns * block[1])
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])


def _grid(shape: tuple[int, ...], block: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // block[0]), -(-shape[1] // block[1])
