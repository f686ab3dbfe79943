"""What a pruning method is: it orders the blocks of each layer, says what each removal harms, and
gives the survivors their weights."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hw.errors import UserError
from prune.blocks import BlockGrid, BlockMask, BlockShape, PrunableLayer, apply_masks_
from prune.calibration.importance import Importance
from prune.calibration.moments import Moments
from prune.calibration.store import Store
from prune.methods.refit import refit_

Update = Literal["off", "dense", "sequential"]
"""What the surviving weights become: as they were; refitted to the dense network's inputs; refitted
one layer after the other to the inputs that the pruned network gives."""


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
        return mask_without(grid, self.order[:removed])


def mask_without(grid: BlockGrid, removed: NDArray[np.int64]) -> BlockMask:
    """The mask without the blocks at the flat indices `removed`."""
    keep = np.ones(grid.total, dtype=bool)
    keep[removed] = False
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
    update: Update = "off"
    ridge: float = 0.01
    """Share of the inputs' mean second moment by which a refit is held to the dense weights."""

    def __post_init__(self) -> None:
        if min(self.block) < 1:
            raise UserError(f"block {self.block}: expected two positive sizes, (out, in)")
        if not 0 <= self.min_keep < 1:
            raise UserError(f"min_keep={self.min_keep}: expected a share from 0 to below 1")
        if self.update not in get_args(Update):
            raise UserError(f"update={self.update!r}: expected one of {get_args(Update)}")
        if not 0 < self.ridge < 1:
            raise UserError(f"ridge={self.ridge}: expected a share above 0, below 1")

    @property
    def needs_images(self) -> bool:
        """Whether the calibration images change the result."""
        return True

    @property
    def bf16(self) -> bool:
        """Whether products in bfloat16 serve it as well: it sums over many tokens."""
        return True

    @abstractmethod
    def rank(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store | None = None,
    ) -> dict[str, Ranking]:
        """Rank the blocks of every layer, by name, without changing the model.

        Args:
            calibration: normalized images (N, channels, height, width), on the model's device.
            store: keeps what is finished, and gives it back to an interrupted run.
        """

    def apply_(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        masks: Mapping[str, BlockMask],
        calibration: Tensor,
        store: Store | None = None,
    ) -> dict[str, BlockMask]:
        """Remove blocks of the dense model in place and update the weights that stay.

        Returns:
            The masks that hold now: the given ones, or others that keep as many blocks.
        """
        store = store or Store()
        if self.update == "off" or all(mask.kept == mask.grid.total for mask in masks.values()):
            apply_masks_(model, masks)
            return dict(masks)
        kept = [mask.keep.tobytes() for mask in masks.values()]
        results = store.part(hashlib.sha256(b"".join(kept)).hexdigest()[:16])
        weights = self.importance(model, layers, calibration, store)
        sequential = self.update == "sequential"
        settings = (self.ridge, sequential, weights, self.choose, results)
        return refit_(model, layers, masks, calibration, *settings)

    def importance(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store,
    ) -> dict[str, Importance]:
        """Weights of tokens and rows by layer; a layer without counts them all alike."""
        return {}

    def choose(
        self, layer: PrunableLayer, mask: BlockMask, moments: Moments, importance: Importance | None
    ) -> BlockMask:
        """The mask, with as many blocks as `mask`, for the inputs that the layer gets now."""
        return mask
