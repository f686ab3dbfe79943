"""LPViT's power term: an analytic price of blocks, without a table (Xu et al., ECCV 2024).

P(a) = a * blocks * floor(in_features / 16) of a layer without the share a of its blocks. It is
added to the distortion as d + beta P, where beta is the mean over the layers of the largest slope
of d, divided by that of P. As published P grows with the *removed* share, which spares the layers
of most power; corrected, the term is subtracted. Paper: arXiv 2407.02068.

The largest slope comes from central differences here, from a five-point stencil in the release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from hw.errors import UserError
from prune.blocks import BlockGrid, PrunableLayer
from prune.methods.base import Ranking

RATIOS = np.arange(101) / 100
"""Shares of removed blocks at which LPViT knows its curves."""
_POWER_UNIT = 16

Curve = NDArray[np.float64]
Power = Literal["published", "corrected", "off"]
Objective = Literal["method", "distortion", "lpvit-power", "lpvit-power-corrected"]
"""What allocation minimises: the method's own objective, the distortion alone, or with power."""
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
_POWERS: dict[Objective, Power] = {
    "distortion": "off",
    "lpvit-power": "published",
    "lpvit-power-corrected": "corrected",
}


def power_curve(grid: BlockGrid) -> Curve:
    """P(a) at `RATIOS`."""
    return RATIOS * grid.total * (grid.shape[1] // _POWER_UNIT)


def power_factor(
    distortions: Sequence[Curve],
    powers: Sequence[Curve],
    power: Power,
    weight: float | Literal["slope-ratio"] = "slope-ratio",
) -> float:
    """beta with its sign, from every layer's curves at `RATIOS`; `weight` replaces its size."""
    if power == "off":
        return 0.0
    sign = 1.0 if power == "published" else -1.0
    if weight != "slope-ratio":
        return sign * weight
    steepest = [
        np.mean([np.gradient(curve, RATIOS).max() for curve in curves])
        for curves in (distortions, powers)
    ]
    return sign * float(steepest[0] / steepest[1]) if steepest[1] > 0 else 0.0


def check_objective(objective: str) -> Objective:
    """`objective` when it is the name of one.

    Raises:
        UserError: it is not.
    """
    if objective not in OBJECTIVES:
        expected = ", ".join(OBJECTIVES)
        raise UserError(f"objective {objective!r}: unknown; choose one of {expected}")
    return cast(Objective, objective)


def with_objective(
    rankings: Mapping[str, Ranking], layers: Sequence[PrunableLayer], objective: Objective
) -> dict[str, Ranking]:
    """The rankings of any method with the objective of that name."""
    if objective == "method":
        return dict(rankings)
    removed = {layer.name: np.linspace(0, 1, layer.grid.total + 1) for layer in layers}
    powers = {layer.name: power_curve(layer.grid) for layer in layers}
    distortions = [np.interp(RATIOS, removed[n], rankings[n].distortion) for n in removed]
    factor = power_factor(distortions, list(powers.values()), _POWERS[objective])
    return {
        name: replace(
            rankings[name],
            objective=rankings[name].distortion
            + factor * np.interp(removed[name], RATIOS, powers[name]),
        )
        for name in removed
    }
