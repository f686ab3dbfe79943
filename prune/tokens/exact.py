"""Cycles of images, by the tokens that their selectors leave: the cycle model's own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import kept_tiles
from prune.tokens.live import image_counts
from sim.cycles import CycleModel
from sim.live import LiveCounts


class ImageCycles:
    """Cycles of a network with selectors; what was asked before is remembered."""

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self._model = CycleModel(network, config)
        self._kept = kept_tiles(network, self._model.schedule)
        self._known: dict[tuple[int, ...], int] = {}

    def __call__(self, live: Mapping[int, Tensor]) -> Tensor:
        """Cycles (N,) float64.

        Args:
            live: tokens behind each selector (N,), prefix and package included, by its block.
        """
        return torch.tensor([self._cycles(image) for image in image_counts(live)]).double()

    def _cycles(self, live: LiveCounts) -> int:
        key = tuple(live.values())
        if key not in self._known:
            self._known[key] = self._model.evaluate(self._kept, live).total
        return self._known[key]
