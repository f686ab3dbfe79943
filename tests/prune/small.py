"""Small things that several tests of pruning need."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from timm.models.vision_transformer import VisionTransformer

from hw.config import ArrayConfig
from hw.ir import ARRAY_OPS, Network
from hw.program.schedule import kept_tiles
from prune.allocation.allocate import Curve
from prune.blocks import BlockGrid, BlockMask
from sim.activity import Activity, operation_activities
from sim.cycles import CycleModel
from sim.energy import energy

Curves = dict[str, Curve]
GEOMETRIES = [
    ArrayConfig(),
    ArrayConfig(rows=8, cols=8),
    ArrayConfig(rows=32, cols=16),
    ArrayConfig(rows=16, cols=32),
    ArrayConfig(rows=32, cols=32),
    ArrayConfig(acc_depth=32),
]
"""Arrays that are square and not, and one whose accumulators hold part of the tokens."""


def small_vit(image_size: int) -> VisionTransformer:
    """96 features, a block of 3 heads, patches of 4 pixels; random weights."""
    torch.manual_seed(0)
    return VisionTransformer(
        img_size=image_size, patch_size=4, embed_dim=96, depth=1, num_heads=3, num_classes=10
    ).eval()


def least_objective(curves: Curves, required: NDArray[np.float64]) -> float:
    """Of all choices that save enough: a multiple-choice knapsack, solved exactly by HiGHS."""
    objective = np.concatenate([curve.objective for curve in curves.values()])
    saved = np.concatenate([curve.saved for curve in curves.values()], axis=1)
    layer = np.repeat(np.arange(len(curves)), [len(c.objective) for c in curves.values()])
    one_each = (layer == np.arange(len(curves))[:, None]).astype(float)
    scale = np.abs(required)[:, None]
    found = milp(
        objective,
        integrality=np.ones(len(objective)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(saved / scale, required / scale[:, 0], np.inf),
        ],
        options={"mip_rel_gap": 0},
    )
    assert found.success
    return float(found.fun)


def keep_of(network: Network, density: float) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    sizes = {
        op.name: BlockGrid(network.param(op, "weight").shape, op.block_shape).size
        for op in network.linears()
    }
    return {name: torch.from_numpy(rng.random(size) < density) for name, size in sizes.items()}


def masks_of(network: Network, keep: dict[str, torch.Tensor]) -> dict[str, BlockMask]:
    return {
        op.name: BlockMask(
            BlockGrid(network.param(op, "weight").shape, op.block_shape), keep[op.name].numpy()
        )
        for op in network.linears()
    }


def all_tokens(network: Network, tokens: int) -> dict[str, torch.Tensor]:
    """`tokens` patches everywhere but in the head, and a class token behind the embedding."""
    names = [op.name for op in network.ops if isinstance(op, ARRAY_OPS)]
    live = {name: torch.tensor(tokens + 1.0) for name in names if name.startswith("blocks")}
    return {**live, "patch_embed.proj": torch.tensor(float(tokens))}


def microjoules(network: Network, config: ArrayConfig) -> float:
    """As a report has it: the activity of everything, in the cycles of the run."""
    model = CycleModel(network, config)
    kept = kept_tiles(network, model.schedule)
    activities = operation_activities(network, model.schedule, kept)
    everything = sum(activities.values(), Activity())
    return energy(everything, model.evaluate(kept).total, config).total
