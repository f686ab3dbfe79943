"""Budgets: in what a network is priced, and how much of its dense cost may stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from hw.errors import UserError
from prune.blocks import BlockMask, PrunableLayer

Unit = Literal["cycles", "energy", "flops"]

FIGURES: dict[Unit, str] = {"cycles": "cycles", "energy": "energy_uj", "flops": "flops"}
"""Cost figures' names in reports, by unit: cycles, microjoules, multiply-accumulates."""


class Cost(Protocol):
    """A cost of a network, attention included."""

    unit: Unit
    dense: float
    """Cost of the network with every block."""

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        """(blocks + 1): what the layer saves, about, when the first n blocks of `order` go."""
        ...

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        """Cost of the network under `masks`."""
        ...


@dataclass(frozen=True)
class Budget:
    """The share of the dense cost that may stay.

    Raises:
        UserError: when the share is outside (0, 1].
    """

    fraction: float
    cost: Cost
    aim: float | None = None
    """Cost to aim at instead of `target`, after a measurement differed from the prediction."""

    def __post_init__(self) -> None:
        check_fraction(self.fraction, self.cost.unit)

    @property
    def target(self) -> float:
        """The cost that may stay, in the cost's unit."""
        return self.fraction * self.cost.dense

    @property
    def limit(self) -> float:
        """What pruning stays at or just below."""
        return self.target if self.aim is None else self.aim


def check_fraction(fraction: float, unit: Unit = "cycles") -> None:
    """Raises UserError unless `fraction` lies in (0, 1]."""
    if not 0 < fraction <= 1:
        raise UserError(f"budget {unit}={fraction}: expected a share of the dense cost in (0, 1]")


def check_budgets(budgets: Mapping[Unit, float]) -> None:
    """Raises UserError unless there is a budget, and each is a share of a cost that exists."""
    if not budgets:
        raise UserError(
            "no budget: expected a share of the dense cost in (0, 1]; "
            "give --cycles, --energy, both, or --flops"
        )
    for unit, fraction in budgets.items():
        if unit not in get_args(Unit):
            expected = ", ".join(get_args(Unit))
            raise UserError(f"budget {unit}={fraction}: expected one of {expected}")
        check_fraction(fraction, unit)
