"""`python -m sim report`: what every operation took, of one run or of two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hw.artifacts import write_json
from sim.report.build import build_report
from sim.report.compare import compare, print_comparison, read_report
from sim.report.files import write_report
from sim.report.views import TERMINAL_WIDTH, print_report


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a simulated network.")],
    other: Annotated[
        Path | None, typer.Argument(help="Second run to compare with: folder or report.json.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the comparison here.")] = None,
) -> None:
    """Write FOLDER/report/report.{json,csv,md,html} and timeline.svg, and print the main columns.

    With OTHER, compare two runs: FOLDER may be a report.json too, and nothing but the comparison is
    written.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=TERMINAL_WIDTH)
    if other is not None:
        comparison = compare(read_report(folder), read_report(other))
        if json is not None:
            write_json(json, comparison)
        print_comparison(comparison, console)
        return
    built = build_report(folder)
    paths = write_report(folder, built)
    print_report(built, console)
    console.print(
        f"written: {', '.join(str(path) for path in paths)}", soft_wrap=True, markup=False
    )
