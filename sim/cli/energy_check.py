"""`python -m sim energy-check`: the energy model's counts against recorded signals."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from sim.energy_check import CONFIG, DENSITIES, compare

FAILED = 1
"""Exit status when a count or a ratio is not what it must be."""
TOLERANCE = 0.1
"""How far the ratio of toggles may be from that of products."""


def energy_check() -> None:
    """Run two small networks of different block density with all signals recorded (SAIF).

    Accesses of the memories must be the model's; toggles of the array must grow with its products
    within 10 %. Exits with 1 when they do not.
    """
    typer.echo(f"{CONFIG.rows}x{CONFIG.cols}: building, then recording", err=True)
    rows = compare()
    table = Table("quantity", *(f"RTL, {d:g} kept" for d in DENSITIES), "model", "model", "ratio")
    wrong = []
    for row in rows:
        table.add_row(
            row.name,
            *(f"{value:,}" for value in (*row.recorded, *row.modelled)),
            f"{row.recorded_ratio:.3f} / {row.modelled_ratio:.3f}",
        )
        close = abs(row.recorded_ratio / row.modelled_ratio - 1) <= TOLERANCE
        if not (row.recorded == row.modelled if row.exact else close):
            wrong.append(row.name)
    Console().print(table)
    if wrong:
        typer.echo(f"error: the energy model's counts differ: {', '.join(wrong)}", err=True)
        raise typer.Exit(FAILED)
