"""`python -m hw synth` counts the core's resources, `python -m hw pnr` finds a clock for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hw import options
from hw.artifacts import write_json
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.synth.pnr import SMALL, place_and_route
from hw.synth.views import print_synthesis, selectors_line, write_synthesis
from hw.synth.whole import Progress, selector_share, synthesize

Out = Annotated[Path, typer.Option(help="Folder of what is written.")]

FOLDER = Path("build/synth")
TERMINAL_WIDTH = 100
"""Columns of the table where there is no terminal to ask."""


def synth(
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    wide_words: options.WideWords = None,
    out: Out = FOLDER,
) -> None:
    """Synthesize the core for UltraScale+: LUT, FF, DSP and block RAM of every module.

    Then once more without token selectors, to say what these add.

    Writes OUT/synth.json and OUT/synth.md.

    Fails on latches, on multipliers outside of DSPs, on more than one DSP an array element and on
    activation or accumulator memories outside of block RAM.
    """
    array = options.geometry(
        config,
        rows=rows,
        cols=cols,
        lanes=lanes,
        acc_depth=acc_depth,
        act_words=act_words,
        wide_words=wide_words,
    )
    console = Console()
    if not console.is_terminal:
        console = Console(width=TERMINAL_WIDTH)

    def heard(progress: Progress) -> None:
        source = "known" if progress.known else f"{progress.seconds:.1f} s"
        console.print(f"  {progress.module}: {source}", markup=False, highlight=False)

    synthesis = synthesize(array, heard=heard)
    synthesis["selectors"] = selector_share(array, synthesis, heard)
    paths = write_synthesis(synthesis, out)
    print_synthesis(synthesis, console)
    console.print(selectors_line(synthesis), soft_wrap=True, markup=False, highlight=False)
    console.print(
        f"{synthesis['seconds']:.0f} s; written: {', '.join(str(path) for path in paths)}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    found = synthesis["problems"]
    if found:
        more = f" (and {len(found) - 1} more: see {paths[1]})" if found[1:] else ""
        raise UserError(f"synthesis: {found[0]}{more}")


def pnr(
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    wide_words: options.WideWords = None,
    out: Out = FOLDER,
    seed: Annotated[int, typer.Option(help="Start of the placement.")] = 1,
) -> None:
    """Place and route a small core for a Lattice ECP5: its clock and its slowest path.

    Writes OUT/pnr.json. Without --config, the geometry is a 4x4 array with little memory.
    """
    array = options.geometry(
        config,
        ArrayConfig.from_dict(SMALL),
        rows=rows,
        cols=cols,
        lanes=lanes,
        acc_depth=acc_depth,
        act_words=act_words,
        wide_words=wide_words,
    )
    placed = place_and_route(array, seed)
    write_json(out / "pnr.json", placed)
    seconds, path = placed["seconds"], placed["critical_path"]
    used = ", ".join(
        f"{count['used']} of {count['available']} {kind}"
        for kind, count in placed["utilization"].items()
    )
    for line in (
        f"{array.rows}x{array.cols} on {placed['device']}: {placed['fmax_mhz']} MHz",
        f"slowest path: {path['logic_ns']} ns in logic, {path['routing_ns']} ns in wires, through "
        f"{', '.join(path['instances'])}",
        f"used: {used}",
        f"synthesis {seconds['synthesis']} s, place and route {seconds['place_and_route']} s; "
        f"written: {out / 'pnr.json'}",
    ):
        typer.echo(line)
