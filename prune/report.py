"""What a pruning run reports: costs of the whole network and of every layer, `pruned.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import kept_tiles
from prune.allocation.budget import FIGURES, Unit
from prune.allocation.spend import Allocation
from sim.cycles import CycleModel
from sim.energy import operation_energies
from sim.live import LiveCounts

_ENERGY_IMAGES = 16
"""The energy of an image takes much longer to tell than its cycles."""


@dataclass(frozen=True)
class Figures:
    """Costs of an integer network on an array, by unit."""

    total: dict[Unit, float]
    by_op: dict[Unit, Mapping[str, float]]


def figures(
    network: Network, config: ArrayConfig, images: Sequence[LiveCounts] | None = None
) -> Figures:
    """Cycles and microjoules of a network, its kept tiles being those with a weight.

    Args:
        network: to be run.
        config: the array.
        images: live counts of images, whose mean the costs are, the energy that of the first few;
            None: no token is dropped.
    """
    model = CycleModel(network, config)
    kept = kept_tiles(network, model.schedule)
    counts: Sequence[LiveCounts | None] = images or [None]
    runs = [model.evaluate(kept, live) for live in counts]
    cycles, total = _mean([run.by_op for run in runs]), mean(run.total for run in runs)
    energies = _mean(
        [operation_energies(network, model, kept, live) for live in counts[:_ENERGY_IMAGES]]
    )
    return Figures(
        {"cycles": total, "energy": sum(energies.values())}, {"cycles": cycles, "energy": energies}
    )


def _mean(images: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """By operation, over the images."""
    if len(images) == 1:
        return images[0]
    return {op: mean(image[op] for image in images) for op in images[0]}


def totals(
    budgets: Mapping[Unit, float],
    dense: Mapping[Unit, float],
    predicted: Mapping[Unit, float],
) -> dict[str, Any]:
    """Dense cost, target and prediction in every unit that is known; null what is not.

    Cycles are whole, energy in microjoules.
    """
    entry: dict[str, Any] = {}
    for unit, figure in FIGURES.items():
        target = budgets[unit] * dense[unit] if unit in budgets else None
        for kind, value in (
            ("dense", dense.get(unit)),
            ("target", target),
            ("predicted", predicted.get(unit)),
        ):
            if value is not None and unit != "energy":
                value = round(value)
            entry[f"{kind}_{figure}"] = value
    return entry


def optimality(allocation: Allocation) -> dict[str, Any]:
    """The objective of the masks, its Lagrangian lower bound and the gap between, in percent."""
    return {
        "objective": allocation.objective,
        "bound": allocation.bound,
        "gap_percent": 100 * allocation.gap,
        "prices": allocation.prices,
        "binding": allocation.binding,
    }


def layer_rows(
    allocation: Allocation, dense: Figures | None, predicted: Figures | None
) -> list[dict[str, Any]]:
    """A row a layer: blocks, distortion, and its costs where there is an integer network."""
    return [
        {
            "name": name,
            "blocks_total": mask.grid.total,
            "blocks_kept": mask.kept,
            "distortion": allocation.distortion[name],
            **layer_costs("dense", dense, name),
            **layer_costs("predicted", predicted, name),
        }
        for name, mask in allocation.masks.items()
    ]


def layer_costs(kind: str, known: Figures | None, name: str) -> dict[str, float]:
    """A layer's entries, `KIND_cycles` and `KIND_energy_uj`; none without an integer network."""
    if known is None:
        return {}
    return {f"{kind}_{FIGURES[unit]}": by_op[name] for unit, by_op in known.by_op.items()}
