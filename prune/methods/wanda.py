"""Wanda over blocks: weights by their magnitude times the norm of their input.

Sun et al., A Simple and Effective Pruning Approach for Large Language Models, ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from prune.blocks import PrunableLayer
from prune.calibration.inputs import visit_inputs
from prune.calibration.store import Store
from prune.methods.base import BlockMethod, Ranking
from prune.methods.magnitude import rank_by_size


@dataclass(frozen=True)
class Wanda(BlockMethod):
    """Blocks ordered by mean |w| ||x||; the distortion is the lost share of the sum of its squares.

    ||x|| is the norm of an input feature over the calibration images. Wanda prunes every layer to
    the same share, and so does the objective here: its slope, a block, is the share that is gone.
    """

    def rank(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store | None = None,
    ) -> dict[str, Ranking]:
        norms: dict[str, Tensor] = {}

        def visit(layer: PrunableLayer, inputs: Tensor) -> None:
            norms[layer.name] = torch.linalg.vector_norm(inputs.float(), dim=0)

        visit_inputs(model, layers, calibration, visit)
        rankings = {}
        for layer in layers:
            found = rank_by_size(layer, layer.matrix() * norms.get(layer.name, 0.0))
            gone = np.arange(layer.grid.total + 1)
            rankings[layer.name] = replace(found, objective=gone**2 / (2 * layer.grid.total))
        return rankings
