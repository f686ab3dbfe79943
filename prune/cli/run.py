"""`python -m prune run`: prune to a budget and write the artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune import loop, pipeline
from prune.cli import options
from prune.cli.tables import print_report
from prune.methods import DEFAULT_METHOD
from prune.views import write_views


def run_command(
    model: options.Model,
    out: Annotated[Path, typer.Option(help="Folder of the artifacts.")],
    budget: options.BudgetShare = 0.5,
    budget_unit: Annotated[str, typer.Option(help="cycles or flops.")] = "cycles",
    method: options.Method = DEFAULT_METHOD,
    block: options.Block = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    config: options.Config = None,
    ckpt: options.Checkpoint = None,
    data: options.Data = None,
    seed: options.Seed = 0,
    images: options.Images = None,
) -> None:
    """Prune MODEL's weight blocks to a budget, quantize it, and write everything into OUT."""
    array, shape = options.geometry(block, rows, cols, config)
    source = pipeline.Source(model, ckpt, data, seed, images)
    pruned = pipeline.run(pipeline.Settings(source, budget, budget_unit, method, shape, array))
    pipeline.write(pruned, out)
    write_views(out)
    loop.forget(out)
    print_report(Console(), pruned.report)
