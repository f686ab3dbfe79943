"""What selectors cost on the machine, in a pruned DeiT-S."""

from __future__ import annotations

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.program.schedule import kept_tiles
from prune.blocks import BlockMask, apply_masks_, prunable_layers
from prune.data import calibration_images
from prune.models import load_model
from prune.quantize import quantize
from prune.tokens import attach_
from sim.cycles import CycleModel

POSITIONS = (3, 6, 9)
RATES = (0.7, 0.39, 0.21)
"""SPViT's of DeiT-S."""


@pytest.mark.parametrize("size", [16, 32])
def test_selectors_take_at_most_three_percent_of_a_pruned_deit_s(size: int) -> None:
    loaded = load_model("deit_s")
    attach_(loaded.model, POSITIONS)
    rng = np.random.default_rng(0)
    layers = prunable_layers(loaded.model, (size, size))
    masks = {
        layer.name: BlockMask(layer.grid, rng.random(layer.grid.size) < 0.4) for layer in layers
    }
    apply_masks_(loaded.model, masks)
    network = quantize(loaded, calibration_images(loaded, None, 2, 0), (size, size))
    model = CycleModel(network, ArrayConfig(rows=size, cols=size))
    live = {
        f"selectors.{block}.select": 2 + round(196 * rate)
        for block, rate in zip(POSITIONS, RATES, strict=True)
    }
    found = model.evaluate(kept_tiles(network, model.schedule), live)
    cycles = sum(n for name, n in found.by_op.items() if name.startswith("selectors."))
    print(f"{size}x{size}: selectors {cycles:,} of {found.total:,} cycles")
    assert cycles <= 0.03 * found.total
