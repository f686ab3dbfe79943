"""Cycles of images, by the tokens that their selectors leave: the cycle model's own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import kept_tiles
from sim.cycles import CycleModel


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
        images = zip(*(tokens.tolist() for tokens in live.values()), strict=True)
        names = [f"selectors.{block}.select" for block in live]
        return torch.tensor(
            [self._cycles(names, tuple(map(int, image))) for image in images]
        ).double()

    def _cycles(self, names: list[str], tokens: tuple[int, ...]) -> int:
        if tokens not in self._known:
            counts = dict(zip(names, tokens, strict=True))
            self._known[tokens] = self._model.evaluate(self._kept, counts).total
        return self._known[tokens]
