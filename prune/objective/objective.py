"""What training minimises within budgets: the task loss, and the price of cycles and of energy.

    loss + sum over the units of weight * max(cost / dense cost - target, 0)

with costs that are differentiable in soft keep masks and live tokens, `prune.objective.cost` for
cycles and `prune.objective.soft_energy` for energy. Below its target a cost is free.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network
from prune.allocation.budget import Unit
from prune.objective.soft_energy import SoftEnergy


@dataclass(frozen=True)
class Price:
    """What a cost adds to the loss.

    Raises:
        UserError: on a weight below 0 or a target outside [0, 1].
    """

    weight: float
    """Of the whole dense cost, in units of the loss."""
    target: float = 0.0
    """Share of the dense cost up to which nothing is charged."""

    def __post_init__(self) -> None:
        if not (0 <= self.weight < math.inf):
            raise UserError(f"price weight={self.weight}: expected a number from 0")
        if not 0 <= self.target <= 1:
            raise UserError(f"price target={self.target}: expected a share in [0, 1]")


class TrainingObjective:
    """Task loss + cycles + energy of a network on an array.

    Example: `objective(loss, keep={"head": mask}).backward()`, with a mask per block as in
    `SoftCycles`, on any device; `objective.shares(keep)` tells what has been reached.
    """

    def __init__(self, network: Network, config: ArrayConfig, prices: Mapping[Unit, Price]) -> None:
        """Measure the dense costs of `network`, whose weights must be dense.

        Raises:
            UserError: on a unit other than cycles and energy, or blocks that are not made of whole
                tiles of the array.
        """
        unknown = prices.keys() - {"cycles", "energy"}
        if unknown:
            raise UserError(f"price of {min(unknown)}: expected one of cycles or energy")
        self._energy = SoftEnergy(network, config)
        self._prices = dict(prices)
        self._dense = {unit: cost.detach() for unit, cost in self._costs(None, None).items()}

    def __call__(
        self,
        task_loss: Tensor,
        keep: Mapping[str, Tensor] | None = None,
        tokens: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The loss with its prices, a scalar like `task_loss`.

        Raises:
            KeyError: on a name that is no operation on the array, or no linear layer for `keep`.
        """
        shares = self.shares(keep, tokens)
        charged = [
            price.weight * (shares[unit] - price.target).clamp(min=0)
            for unit, price in self._prices.items()
        ]
        return task_loss + sum(charged, torch.zeros(())).to(task_loss)

    def shares(
        self,
        keep: Mapping[str, Tensor] | None = None,
        tokens: Mapping[str, Tensor] | None = None,
    ) -> dict[Unit, Tensor]:
        """Cycles and energy as shares of the dense network's, float64 scalars."""
        return {unit: cost / self._dense[unit] for unit, cost in self._costs(keep, tokens).items()}

    def _costs(
        self, keep: Mapping[str, Tensor] | None, tokens: Mapping[str, Tensor] | None
    ) -> dict[Unit, Tensor]:
        keep = {name: mask.cpu() for name, mask in (keep or {}).items()}
        tokens = {name: count.cpu() for name, count in (tokens or {}).items()}
        cycles = self._energy.cycles(keep, tokens)
        return {"cycles": cycles, "energy": self._energy.at(cycles, keep, tokens)}
