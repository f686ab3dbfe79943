"""`python -m prune compare-units`: one budget spent in cycles and in FLOPs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hw.artifacts import write_json
from prune.allocation.budget import Unit, check_fraction
from prune.cli import options
from prune.cli.tables import say, table
from prune.methods import DEFAULT_METHOD
from prune.pipeline import RANDOM_WARNING
from prune.prepared import Prepared, prepare
from prune.settings import Source

UNITS: tuple[Unit, ...] = ("cycles", "flops")


def compare_units(
    model: options.Model,
    budget: options.BudgetShare = 0.5,
    method: options.Method = DEFAULT_METHOD,
    block: options.Block = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    config: options.Config = None,
    ckpt: options.Checkpoint = None,
    data: options.Data = None,
    seed: options.Seed = 0,
    images: options.Images = None,
    json: Annotated[Path | None, typer.Option(help="Also write the comparison here.")] = None,
) -> None:
    """Spend BUDGET on MODEL once as a share of cycles and once as a share of FLOPs."""
    array, shape = options.geometry(block, rows, cols, config)
    check_fraction(budget)
    prepared = prepare(Source(model, ckpt, data, seed, images), method, shape, array)
    comparison = compare(prepared, budget)
    if json is not None:
        write_json(json, comparison)
    _print(Console(), comparison)


def compare(prepared: Prepared, budget: float) -> dict[str, Any]:
    """Densities of every layer and totals, for the budget in each unit."""
    spent = {unit: prepared.allocate({unit: budget}) for unit in UNITS}
    costs = {unit: prepared.cost(unit) for unit in UNITS}
    comparison: dict[str, Any] = {
        "model": prepared.loaded.name,
        "weights_source": prepared.loaded.weights_source,
        "budget": budget,
        "layers": {
            layer.name: {unit: spent[unit].masks[layer.name].density for unit in UNITS}
            for layer in prepared.layers
        },
        "totals": {
            counted: {
                "dense": costs[counted].dense,
                **{unit: costs[counted].total(spent[unit].masks) for unit in UNITS},
            }
            for counted in UNITS
        },
    }
    if prepared.loaded.random:
        comparison["warning"] = RANDOM_WARNING
    return comparison


def _print(console: Console, comparison: dict[str, Any]) -> None:
    say(console, f"{comparison['model']}: kept share of blocks, budget {comparison['budget']:.2%}")
    densities = table(["layer", "in cycles", "in FLOPs", "difference"])
    for name, row in comparison["layers"].items():
        difference = row["flops"] - row["cycles"]
        densities.add_row(name, f"{row['cycles']:.3f}", f"{row['flops']:.3f}", f"{difference:+.3f}")
    console.print(densities)
    totals = table(["total", "dense", "budget in cycles", "budget in FLOPs"])
    for counted, row in comparison["totals"].items():
        shares = [f"{row[unit]:,.0f} ({row[unit] / row['dense']:.2%})" for unit in UNITS]
        totals.add_row(counted, f"{row['dense']:,.0f}", *shares)
    console.print(totals)
    if "warning" in comparison:
        say(console, f"warning: {comparison['warning']}")
