"""The kept blocks of a linear layer, in the order in which its kernel takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.blocks import split_blocks


@dataclass(frozen=True)
class KeptBlocks:
    """The blocks of a weight that are not all zero, a row of blocks after another."""

    payload: NDArray[np.int8]
    """(blocks, block out, block in); what hangs over the weight's edge is 0."""
    rows: NDArray[Any]
    """(blocks), in the grid of blocks."""
    columns: NDArray[Any]
    """(blocks)"""
    ends: NDArray[np.uint8]
    """(blocks), 1 for the last block of a row."""
    empty: NDArray[Any]
    """Rows without a block."""


def kept_blocks(weight: NDArray[np.int8], block_shape: tuple[int, int]) -> KeptBlocks:
    """The kept blocks of int8 `weight` (out, in), cut into blocks of `block_shape` (out, in)."""
    outs, ins = (-(-size // side) for size, side in zip(weight.shape, block_shape, strict=True))
    index, payload = split_blocks(weight, block_shape)
    rows, columns = index // ins, index % ins
    ends = (np.append(rows[1:], outs) != rows).astype(np.uint8)
    return KeptBlocks(payload, rows, columns, ends, np.setdiff1d(np.arange(outs), rows))
