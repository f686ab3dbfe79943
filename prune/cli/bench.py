"""`python -m prune bench`: what pruning costs, method by method."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hw.artifacts import write_json
from prune.bench import Run, measure
from prune.cli import options
from prune.cli.tables import say, show_whole, table
from prune.methods import method_named

_METHODS = "wanda,lpvit,obs"


def bench(
    model: options.Model = "deit_s",
    methods: Annotated[str, typer.Option(help="Separated by commas.")] = _METHODS,
    images: Annotated[int, typer.Option(help="Calibration images.")] = 512,
    cycles: Annotated[float, typer.Option(help="Share of the dense cycles that stays.")] = 0.5,
    data: options.Data = None,
    json: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
) -> None:
    """Seconds and memory of pruning MODEL with each method, one after the other."""
    names = methods.split(",")
    for name in names:
        method_named(name, (16, 16))
    console, runs = Console(), list[Run]()
    for name in names:
        with Console(stderr=True).status(f"pruning {model} with {name}"):
            runs.append(measure(model, name, images, cycles, data, []))
    say(console, f"{model} to {cycles:.0%} of its cycles, {images} calibration images")
    rows = table(["method", "seconds", f"times {names[0]}", "peak GiB"])
    for run in runs:
        ratio = run.seconds / runs[0].seconds
        rows.add_row(run.method, f"{run.seconds:.0f}", f"{ratio:.1f}", f"{run.peak_gib:.2f}")
    show_whole(console, rows)
    if json is not None:
        write_json(json, {"model": model, "images": images, "runs": [asdict(run) for run in runs]})
