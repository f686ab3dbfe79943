"""LPViT: block pruning with a loss and a power curve per layer (Xu et al., ECCV 2024).

Paper: arXiv 2407.02068; details the paper leaves open follow the settings of its public release,
without its code. With g the gradient of mean(f(x)^2) over the calibration images, and dw the change
of a layer's weights when the share a of its blocks is removed:

- blocks are ordered by mean |w g|, lowest first (2000 images in the release);
- distortion d(a) = mean((dw g)^2) + 1/2 dw' H dw, with H = g g' + eps I, at 101 values of a,
  smoothed by a debiased moving average;
- power P(a), added as d + beta P, see `prune.methods.power`.

Two things are wrong in the published form, and both forms are here. The quadratic term is
accumulated from step to step; with DD the change of this step and dw the change after it, the
release adds 1/2 (2 dw + DD)' H DD, while 1/2 (2 dw - DD)' H DD telescopes to 1/2 dw' H dw. And it
adds the power of the *removed* share, which spares the layers of most power. The first is a lucky
one: it adds up to 1/2 (g'dw)^2 plus the sum of the steps' (g'DD)^2, which unlike g'dw cannot cancel
over a layer, and it allocates better than the corrected curve on the models we tried.

Unlike the published allocation (the share whose slope d'(a) is nearest to 2^s), ours takes slopes
per unit of price on the convex hull of the curve, see `prune.allocation.allocate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hw.errors import UserError
from prune.blocks import PrunableLayer
from prune.calibration.store import Store
from prune.methods.base import BlockMethod, Ranking
from prune.methods.power import RATIOS, Curve, Power, power_curve, power_factor

Form = Literal["published", "corrected"]
_BATCH = 8


@dataclass(frozen=True)
class LPViT(BlockMethod):
    """LPViT as published, or with either of its two defects corrected."""

    second_order: Form = "published"
    """Accumulation of the quadratic term."""
    power: Power = "published"
    """Sign of the power term: as published it grows with the removed share."""
    power_weight: float | Literal["slope-ratio"] = "slope-ratio"
    """beta; "slope-ratio" is the published choice."""
    damping: float = 1e-7
    """eps of H; the release's value."""
    smoothing: float = 0.1
    """Weight of the past in the moving average: 0.1 for DeiT, 0.9 for Swin in the release."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.second_order not in get_args(Form):
            raise UserError(f"second_order={self.second_order!r}: expected one of {get_args(Form)}")
        if self.power not in get_args(Power):
            raise UserError(f"power={self.power!r}: expected one of {get_args(Power)}")
        if self.power_weight != "slope-ratio" and not (
            isinstance(self.power_weight, int | float) and 0 <= self.power_weight < math.inf
        ):
            raise UserError(
                f"power_weight={self.power_weight!r}: expected 'slope-ratio' or a number from 0"
            )
        if self.damping < 0:
            raise UserError(f"damping={self.damping}: expected a number from 0")
        if not 0 <= self.smoothing < 1:
            raise UserError(f"smoothing={self.smoothing}: expected a weight from 0 to below 1")

    @property
    def bf16(self) -> bool:
        return False

    def rank(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store | None = None,
    ) -> dict[str, Ranking]:
        gradients = output_gradients(model, layers, calibration)
        orders, distortions, powers = {}, {}, {}
        for layer in layers:
            name = layer.name
            orders[name], distortions[name] = self._distortion(layer, gradients[name])
            powers[name] = power_curve(layer.grid)
        beta = power_factor(
            list(distortions.values()), list(powers.values()), self.power, self.power_weight
        )
        rankings = {}
        for layer in layers:
            name = layer.name
            removed = np.arange(layer.grid.total + 1) / layer.grid.total
            rankings[name] = Ranking(
                orders[name],
                np.interp(removed, RATIOS, distortions[name]),
                np.interp(removed, RATIOS, distortions[name] + beta * powers[name]),
            )
        return rankings

    def _distortion(
        self, layer: PrunableLayer, gradient: Tensor
    ) -> tuple[NDArray[np.int64], Curve]:
        weight, grid = layer.matrix(), layer.grid
        product = weight * gradient
        score = grid.sums(product.abs()).ravel() / grid.elements().ravel()
        order = np.argsort(score, kind="stable")
        removed = grid.total - np.floor((1 - RATIOS) * grid.total + 1e-9).astype(np.int64)

        def at_ratios(matrix: Tensor) -> Curve:
            """Sum of `matrix` over the blocks removed at each ratio."""
            blocks = grid.sums(matrix).ravel()[order]
            return np.concatenate([[0.0], np.cumsum(blocks)])[removed]

        first = at_ratios(product.square()) / weight.numel()
        second = second_order_curve(
            slope=-at_ratios(product),
            change=-at_ratios(weight),
            squared_change=at_ratios(weight.square()),
            damping=self.damping,
            form=self.second_order,
        )
        return order, smooth(first + second, self.smoothing)


def output_gradients(
    model: nn.Module, layers: Sequence[PrunableLayer], images: Tensor
) -> dict[str, Tensor]:
    """Gradient of mean(model(images)^2) with respect to every layer's matrix, (out, in) by name.

    It is 0 for a layer that no output depends on.
    """
    weights = [layer.module.weight for layer in layers]
    totals = [torch.zeros_like(layer.matrix()) for layer in layers]
    required, training = [weight.requires_grad for weight in weights], model.training
    model.eval()
    for weight in weights:
        weight.requires_grad_(True)
    try:
        for batch in images.split(_BATCH):
            loss = _outputs(model(batch)).square().mean() * (len(batch) / len(images))
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            for total, gradient in zip(totals, gradients, strict=True):
                if gradient is not None:
                    total += gradient.flatten(1)
    finally:
        model.train(training)
        for weight, before in zip(weights, required, strict=True):
            weight.requires_grad_(before)
    return {layer.name: total for layer, total in zip(layers, totals, strict=True)}


def _outputs(result: Tensor | Sequence[Tensor]) -> Tensor:
    """All outputs of a model, whatever heads it has: (images, outputs)."""
    if isinstance(result, Tensor):
        return result
    return torch.cat([part.flatten(1) for part in result], dim=1)


def second_order_curve(
    slope: Curve, change: Curve, squared_change: Curve, damping: float, form: Form
) -> Curve:
    """1/2 dw' (g g' + damping I) dw along nested removals, accumulated step by step.

    Args, each over the same steps and 0 at the first:
        slope: g' dw.
        change: sum of dw.
        squared_change: sum of dw^2.
        form: "published" accumulates 1/2 (2 dw + DD)' H DD, and adds the damping to the step's
            entries of H DD instead of multiplying them by it; "corrected" is exact.
    """
    step = np.diff(slope)
    if form == "published":
        quadratic = (2 * slope[1:] + step) * step
        damped = 3 * damping * np.diff(change)  # dw = DD wherever DD is not 0
    else:
        quadratic = (2 * slope[1:] - step) * step
        damped = damping * np.diff(squared_change)
    return np.concatenate([[0.0], np.cumsum(0.5 * (quadratic + damped))])


def smooth(curve: Curve, weight: float) -> Curve:
    """Exponential moving average with `weight` on the past, divided by the weights seen so far."""
    smoothed = np.empty_like(curve)
    average = 0.0
    for index, value in enumerate(curve):
        average = weight * average + (1 - weight) * value
        smoothed[index] = average / (1 - weight ** (index + 1))
    return smoothed
