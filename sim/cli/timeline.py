"""`python -m sim timeline`: a picture of what every unit did, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.report.build import build_report
from sim.report.files import write_timeline


def timeline(
    folder: Annotated[Path, typer.Argument(help="Folder of a simulated network.")],
) -> None:
    """Write FOLDER/report/timeline.svg: the whole run, and the first encoder block enlarged.

    A lane a unit; hovering over a bar in a browser names its operation and its cycles. The largest
    exposed piece is marked.
    """
    path, _ = write_timeline(folder, build_report(folder))
    typer.echo(f"written: {path}")
