"""What a pruning method is: it orders the blocks of each layer and says what each removal harms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hw.errors import UserError
from prune.blocks import BlockGrid, BlockMask, BlockShape, PrunableLayer


@dataclass(frozen=True)
class Ranking:
    """The order in which a layer's blocks go, and the harm of losing the first n of them.

    Masks are nested: removing n + 1 blocks removes the same n and one more.
    """

    order: NDArray[np.int64]
    """Flat block indices (blocks), first to go first."""
    distortion: NDArray[np.float64]
    """(blocks + 1): the method's estimate of the harm after removing the first n blocks."""
    objective: NDArray[np.float64]
    """(blocks + 1): what allocation minimises; the distortion plus the method's other terms."""

    def mask(self, grid: BlockGrid, removed: int) -> BlockMask:
        """The mask without the first `removed` blocks."""
        keep = np.ones(grid.total, dtype=bool)
        keep[self.order[:removed]] = False
        return BlockMask(grid, keep.reshape(grid.size))


@dataclass(frozen=True)
class BlockMethod(ABC):
    """A block pruning method and its settings.

    Raises:
        UserError: on a setting outside its range.
    """

    block: BlockShape = (16, 16)
    """(out, in) of a block."""
    min_keep: float = 0.05
    """Least share of its blocks that a layer keeps."""

    def __post_init__(self) -> None:
        if min(self.block) < 1:
            raise UserError(f"block {self.block}: expected two positive sizes, (out, in)")
        if not 0 <= self.min_keep < 1:
            raise UserError(f"min_keep={self.min_keep}: expected a share from 0 to below 1")

    @property
    def needs_images(self) -> bool:
        """Whether the calibration images change the result."""
        return True

    @abstractmethod
    def rank(
        self, model: nn.Module, layers: Sequence[PrunableLayer], calibration: Tensor
    ) -> dict[str, Ranking]:
        """Rank the blocks of every layer, by name, without changing the model.

        Args:
            calibration: normalized images (N, channels, height, width).
        """
