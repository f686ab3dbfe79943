"""Small things that several tests of pruning need."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from timm.models.vision_transformer import VisionTransformer

from prune.allocate import Curve

Curves = dict[str, Curve]


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
