"""`python -m prune show`: what a run did to every layer, as a table and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune.cli.tables import print_report, say
from prune.run_folder import read_report
from prune.views import write_views


def show(
    folder: Annotated[Path, typer.Argument(help="OUT folder of a pruning run.")],
) -> None:
    """Print every layer of a run, and write masks, sensitivity and tables into FOLDER/views."""
    report = read_report(folder)
    written = write_views(folder)
    console = Console()
    print_report(console, report)
    say(console, f"views: {', '.join(str(path) for path in written)}")
