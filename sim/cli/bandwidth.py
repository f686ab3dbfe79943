"""`python -m sim bandwidth`: a network's cycles against the bandwidth of its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hw import options
from hw.artifacts import write_json
from hw.ir import load_network
from sim.cycles import network_cycles
from sim.work import dense_macs

BANDWIDTHS = (1, 2, 4, 8, 16, 32)
BOUND_PERCENT = 5.0
"""A network counts as memory-bound where it takes this much longer than with the widest memory."""


def bandwidth(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a network, as `python -m prune` writes.")
    ],
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    out: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
) -> None:
    """Total cycles of FOLDER's network with memories of 1 to 32 bytes a cycle.

    By the cycle model, which equals the RTL; `python -m sim run` with the same `mem_bytes` and
    `mem_interval` measures any of them.
    """
    network = load_network(folder)
    array = options.geometry(config, None, rows=rows, cols=cols)
    macs = dense_macs(network)
    found = [
        {
            "bytes_per_cycle": width,
            "mem_bytes": array.with_bandwidth(width).mem_bytes,
            "mem_interval": array.with_bandwidth(width).mem_interval,
            "cycles": network_cycles(network, array.with_bandwidth(width)).total,
        }
        for width in BANDWIDTHS
    ]
    best = min(entry["cycles"] for entry in found)
    table = Table("bytes a cycle", "cycles", "against the best", "dense utilization", "bound by")
    for entry in found:
        excess = 100 * (entry["cycles"] / best - 1)
        table.add_row(
            str(entry["bytes_per_cycle"]),
            f"{entry['cycles']:,}",
            f"+{excess:.1f} %",
            f"{100 * macs / array.pes / entry['cycles']:.1f} %",
            "memory" if excess > BOUND_PERCENT else "compute",
        )
    console = Console()
    console.print(f"{network.model} on {array.rows}x{array.cols}, latency {array.mem_latency}")
    console.print(table)
    if out is not None:
        write_json(out, {"model": network.model, "runs": found})
        console.print(f"written: {out}", soft_wrap=True)
