"""`python -m prune show`: what a run did to every layer, as a table and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune.cli.loading import load_named
from prune.cli.tables import print_report, say
from prune.data import calibration_images
from prune.run_folder import read_report
from prune.views import write_views
from prune.views.tokens import SHOWN, write_tokens


def show(
    folder: Annotated[Path, typer.Argument(help="OUT folder of a pruning run.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of images to show the tokens of; else the bundled.")
    ] = None,
    images: Annotated[int, typer.Option(help="How many of them, a seeded choice.")] = SHOWN,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
) -> None:
    """Print every layer of a run, and write masks, sensitivity and tables into FOLDER/views.

    Of a model with token selectors also tokens.svg: which patches of some images stay.
    """
    report = read_report(folder)
    written = write_views(folder)
    if report.get("selectors"):
        loaded = load_named(str(folder), None, 0)
        written.append(write_tokens(folder, loaded, calibration_images(loaded, data, images, seed)))
    console = Console()
    print_report(console, report)
    say(console, f"views: {', '.join(str(path) for path in written)}")
