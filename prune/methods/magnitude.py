"""Magnitude pruning: the blocks of the smallest mean |weight| go first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from prune.blocks import PrunableLayer
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
        self, model: nn.Module, layers: Sequence[PrunableLayer], calibration: Tensor
    ) -> dict[str, Ranking]:
        return {layer.name: _rank_layer(layer) for layer in layers}


def _rank_layer(layer: PrunableLayer) -> Ranking:
    weight = layer.matrix()
    score = layer.grid.sums(weight.abs()).numpy().ravel() / layer.grid.elements().ravel()
    energy = layer.grid.sums(weight.square()).numpy().ravel()
    order = np.argsort(score, kind="stable")
    removed = np.concatenate([[0.0], np.cumsum(energy[order])])
    distortion = removed / max(removed[-1], np.finfo(float).tiny)
    return Ranking(order, distortion, distortion)
