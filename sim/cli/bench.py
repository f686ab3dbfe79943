"""`python -m sim bench`: simulation speed, beside SCALE-Sim on the same dense products."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from hw.artifacts import write_json
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import load_network
from hw.program.schedule import kept_tiles
from sim.bench.machine import run_machine, time_model
from sim.bench.products import ENCODER_BLOCKS, products
from sim.bench.scale_sim import run_scale_sim
from sim.cycles import CycleModel

GEOMETRIES = ((8, 8), (16, 16), (32, 32))
COMPARED = (16, 16)
ACT_WORDS = 1 << 18
"""Enough for the smallest words, those of 8x8."""


def bench(
    model: Annotated[
        str, typer.Argument(help=f"Shapes to run: {', '.join(ENCODER_BLOCKS)}.")
    ] = "deit_s",
    scale_sim: Annotated[
        bool, typer.Option(help="Run SCALE-Sim on the same products (minutes).")
    ] = True,
    network: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a whole network, build/deit_s say: time the cycle model on it."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="JSON file of the figures.")] = Path(
        "build/bench.json"
    ),
) -> None:
    """Time the RTL, the cycle model and SCALE-Sim on one dense encoder block of MODEL."""
    if model not in ENCODER_BLOCKS:
        raise UserError(f"{model}: unknown shapes, expected one of {', '.join(ENCODER_BLOCKS)}")
    console = Console()
    shape = ENCODER_BLOCKS[model]
    work = products(shape)
    macs = sum(product.macs for product in work)
    console.print(
        f"{model}: patch embedding, one dense encoder block, head: {macs / 1e6:.1f} M MACs"
    )
    table = Table(
        "simulator", "array", "cycles", "seconds", "build s", "M MAC/s", "kHz", "model ms"
    )
    figures: dict[str, object] = {"model": model, "macs": macs, "runs": []}
    runs: list[dict[str, object]] = []
    seconds = {}
    for rows, cols in GEOMETRIES:
        config = ArrayConfig(rows=rows, cols=cols, act_words=ACT_WORDS)
        blocks = replace(shape, block=(cols, rows))
        run = run_machine(blocks, config)
        seconds[rows, cols] = run.seconds
        runs.append({"simulator": "RTL", "rows": rows, "cols": cols, **asdict(run)})
        table.add_row(
            "RTL, bit-exact",
            f"{rows}x{cols}",
            f"{run.cycles:,}",
            f"{run.seconds:.1f}",
            f"{run.build_seconds:.1f}",
            f"{macs / run.seconds / 1e6:.1f}",
            f"{run.cycles / run.seconds / 1e3:.0f}",
            f"{1e3 * run.model_seconds:.2f}",
        )
    if scale_sim:
        config = ArrayConfig(rows=COMPARED[0], cols=COMPARED[1])
        with console.status("SCALE-Sim, some minutes"):
            other = run_scale_sim(work, config)
        runs.append({"simulator": "SCALE-Sim", "rows": 16, "cols": 16, **asdict(other)})
        table.add_row(
            "SCALE-Sim 3, cycles only",
            f"{COMPARED[0]}x{COMPARED[1]}",
            f"{other.cycles:,}",
            f"{other.seconds:.1f}",
            "-",
            f"{macs / other.seconds / 1e6:.1f}",
            f"{other.cycles / other.seconds / 1e3:.0f}",
            "-",
        )
        figures["scale_sim_seconds_over_rtl"] = other.seconds / seconds[COMPARED]
    console.print(table)
    if scale_sim:
        ratio = figures["scale_sim_seconds_over_rtl"]
        console.print(f"SCALE-Sim took {ratio:.1f} times as long as the RTL simulation.")
    if network is not None:
        config = ArrayConfig(act_words=ACT_WORDS)
        whole = load_network(network)
        cycles = CycleModel(whole, config)
        kept = kept_tiles(whole, cycles.schedule)
        for what, tiles in (
            ("as pruned", kept),
            ("dense", {name: np.ones_like(mask) for name, mask in kept.items()}),
        ):
            taken = 1e3 * time_model(cycles, tiles)
            console.print(f"cycle model, all of {whole.model}, {what}: {taken:.2f} ms")
            figures[f"model_ms {what}"] = taken
    figures["runs"] = runs
    write_json(out, figures)
    console.print(f"written: {out}")
