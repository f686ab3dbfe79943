"""`python -m prune run`: prune to budgets and write the artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune import loop, pipeline
from prune.cli import options
from prune.cli.progress import finished_layers
from prune.cli.tables import print_report
from prune.methods import DEFAULT_METHOD
from prune.methods.power import check_objective
from prune.run_folder import write
from prune.settings import Settings, Source
from prune.views import write_views


def run_command(
    model: options.Model,
    out: Annotated[Path, typer.Option(help="Folder of the artifacts.")],
    cycles: options.Cycles = None,
    energy: options.Energy = None,
    flops: options.Flops = None,
    method: options.Method = DEFAULT_METHOD,
    objective: options.Objective = "method",
    block: options.Block = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    config: options.Config = None,
    ckpt: options.Checkpoint = None,
    data: options.Data = None,
    seed: options.Seed = 0,
    images: options.Images = None,
    selectors: Annotated[
        Path | None,
        typer.Option(
            help="Token selectors: a checkpoint of theirs or of the whole model, or a run's folder."
        ),
    ] = None,
) -> None:
    """Prune MODEL's weight blocks to one or several budgets, quantize it, and write all into OUT.

    A budget is a share, in (0, 1], of what the dense network takes.
    """
    array, shape = options.geometry(block, rows, cols, config)
    source = Source(model, ckpt, data, seed, images, selectors)
    settings = Settings(
        source,
        options.budgets(cycles, energy, flops),
        method,
        shape,
        array,
        check_objective(objective),
    )
    console = Console()
    with finished_layers(out / "progress") as progress:
        pruned = pipeline.run(settings, progress=progress)
        write(pruned, out)
    write_views(out)
    loop.forget(out)
    print_report(console, pruned.report)
