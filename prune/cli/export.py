"""`python -m prune export`: a model in float, as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune.cli import options
from prune.cli.loading import load_named
from prune.cli.tables import say
from prune.export import export_onnx


def export(
    model: Annotated[
        str, typer.Argument(help="A model's name: dense; or the OUT folder of a pruning run.")
    ],
    out: Annotated[Path, typer.Option(help="The ONNX file.")],
    ckpt: options.Checkpoint = None,
    seed: options.Seed = 0,
) -> None:
    """Write MODEL in float to an ONNX file that takes any number of normalized images."""
    loaded = load_named(model, ckpt, seed)
    console = Console()
    with console.status("exporting"):
        export_onnx(loaded, out)
    say(console, f"{out}: {loaded.name}, weights: {loaded.weights_source}, float")
