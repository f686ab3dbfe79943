"""`python -m hw synth`: resources of the core on an UltraScale+ device, module by module."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hw import options
from hw.errors import UserError
from hw.synth.views import print_synthesis, write_synthesis
from hw.synth.whole import Progress, synthesize

TERMINAL_WIDTH = 100
"""Columns of the table where there is no terminal to ask."""


def synth(
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    out: Annotated[
        Path, typer.Option(help="Folder that synth.json and synth.md are written to.")
    ] = Path("build/synth"),
) -> None:
    """Synthesize the core with yosys for UltraScale+: LUT, FF, DSP, block RAM of every module.

    Fails on latches, on multipliers outside of DSPs, on more than one DSP an array element and on
    activation or accumulator memories outside of block RAM.
    """
    array = options.geometry(config, rows, cols, acc_depth, act_words)
    console = Console()
    if not console.is_terminal:
        console = Console(width=TERMINAL_WIDTH)

    def heard(progress: Progress) -> None:
        source = "known" if progress.known else f"{progress.seconds:.1f} s"
        console.print(f"  {progress.module}: {source}", markup=False, highlight=False)

    synthesis = synthesize(array, heard=heard)
    paths = write_synthesis(synthesis, out)
    print_synthesis(synthesis, console)
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
