"""`python -m sim energy-check`: the energy model's counts against recorded signals."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from sim.energy_check import CONFIG, DENSITIES, LAYER, compare

FAILED = 1
"""Exit status when a count or a ratio is not what it must be."""
TOLERANCE = 0.1
"""How far the toggles of a product may differ between densities."""


def energy_check() -> None:
    """Run small networks of different block density with all signals recorded (SAIF).

    Memories must be used as often as the model counts, and a product in a further block must
    toggle as many signals of the array as one before, within 10 %. Exits with 1 when not.
    """
    typer.echo(f"{CONFIG.rows}x{CONFIG.cols}: building, then recording", err=True)
    found = compare()
    kept = [f"{100 * density:g} %" for density in DENSITIES]
    table = Table("", *(f"RTL, {share}" for share in kept), *(f"model, {share}" for share in kept))
    for port in found.accesses:
        table.add_row(port.name, *(f"{value:,}" for value in (*port.recorded, *port.modelled)))
    toggles = (f"{value:,}" for value in found.toggles)
    table.add_row("toggles; products", *toggles, *(f"{value:,}" for value in found.macs))
    console = Console()
    console.print(f"accesses, with some share of the blocks of {LAYER} kept")
    console.print(table)
    added = found.toggles_per_mac
    text = ", ".join(f"{value:.1f}" for value in added)
    console.print(f"toggles of the array a further product: {text}")
    wrong = [port.name for port in found.accesses if port.recorded != port.modelled]
    if max(added) > (1 + TOLERANCE) * min(added):
        wrong.append("toggles of the array")
    if wrong:
        typer.echo(f"error: the energy model's counts differ: {', '.join(wrong)}", err=True)
        raise typer.Exit(FAILED)
