"""`python -m prune show`: what a run did to every layer, as a table and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune.cli.tables import print_report, say
from prune.run_folder import read_report
from prune.views import Shown, write_views
from prune.views.shown import COUNT


def show(
    folder: Annotated[Path, typer.Argument(help="OUT folder of a pruning run.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of images to show the tokens of; else the run's, or bundled."),
    ] = None,
    images: Annotated[int, typer.Option(help="How many of them, a seeded choice.")] = COUNT,
    seed: Annotated[int | None, typer.Option(help="Of the choice; else the run's.")] = None,
) -> None:
    """Print every layer of a run, and write masks, sensitivity and tables into FOLDER/views.

    Of a model with token selectors also tokens.svg: which patches of some images stay.
    """
    report = read_report(folder)
    default = Shown.of(report)
    shown = Shown(data or default.data, images, default.seed if seed is None else seed)
    written = write_views(folder, shown)
    console = Console()
    print_report(console, report)
    say(console, f"views: {', '.join(str(path) for path in written)}")
