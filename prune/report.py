"""What a pruning run reports: costs of the whole network and of every layer, `pruned.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import Kept, kept_tiles
from prune.allocation.budget import FIGURES, Unit
from prune.allocation.spend import Allocation
from sim.cycles import CycleModel
from sim.energy import operation_energies
from sim.live import LiveCounts


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
        images: live counts of images, whose mean the costs are; None: no token is dropped.
    """
    model = CycleModel(network, config)
    kept = kept_tiles(network, model.schedule)
    counts: Sequence[LiveCounts | None] = images or [None]
    found = [_figures(network, model, kept, live) for live in counts]
    if len(found) == 1:
        return found[0]
    return Figures(
        {unit: mean(each.total[unit] for each in found) for unit in found[0].total},
        {
            unit: {op: mean(each.by_op[unit][op] for each in found) for op in by_op}
            for unit, by_op in found[0].by_op.items()
        },
    )


def _figures(
    network: Network, model: CycleModel, kept: Mapping[str, Kept], live: LiveCounts | None
) -> Figures:
    cycles = model.evaluate(kept, live)
    energies = operation_energies(network, model, kept, live)
    return Figures(
        {"cycles": cycles.total, "energy": sum(energies.values())},
        {"cycles": cycles.by_op, "energy": energies},
    )


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
