"""Magnitude pruning: the blocks of the smallest mean |weight| go first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from prune.blocks import PrunableLayer
from prune.calibration.store import Store
from prune.methods.base import BlockMethod, Ranking


@dataclass(frozen=True)
class Magnitude(BlockMethod):
    """Blocks ordered by mean |w|; the distortion is the share of the layer's sum w^2 removed.

    The share, unlike the sum, compares layers of different weight scales. Needs no images.
    """

    @property
    def needs_images(self) -> bool:
        return False

    def rank(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store | None = None,
    ) -> dict[str, Ranking]:
        return {layer.name: rank_by_size(layer, layer.matrix()) for layer in layers}


def rank_by_size(layer: PrunableLayer, sizes: Tensor) -> Ranking:
    """Blocks by mean |sizes| (out, in); the distortion is the lost share of their squares."""
    score = layer.grid.sums(sizes.abs()).ravel() / layer.grid.elements().ravel()
    energy = layer.grid.sums(sizes.square()).ravel()
    order = np.argsort(score, kind="stable")
    removed = np.concatenate([[0.0], np.cumsum(energy[order])])
    distortion = removed / max(removed[-1], np.finfo(float).tiny)
    return Ranking(order, distortion, distortion)
