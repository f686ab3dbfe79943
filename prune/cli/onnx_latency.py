"""`python -m prune onnx-latency`: what int8 and fewer blocks save in ONNX Runtime on the CPU."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from hw.artifacts import write_json
from hw.errors import UserError
from hw.ir import load_network
from prune.bench import noise
from prune.cli import options
from prune.cli.tables import say, show_whole, table
from prune.models import load_model
from prune.onnx_latency import measure

_CALIBRATION = 2
_PRUNING = 16
"""Images of noise to prune with, where no pruned network is given."""


def onnx_latency(
    model: options.Model = "deit_s",
    ckpt: options.Checkpoint = None,
    pruned: Annotated[
        Path | None, typer.Option(help="Folder of a pruning run of MODEL; else it is pruned here.")
    ] = None,
    cycles: Annotated[float, typer.Option(help="Share of the dense cycles that stays.")] = 0.5,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn.", min=1)] = 10,
    threads: Annotated[int, typer.Option(help="Of ONNX Runtime.", min=1)] = 1,
    seed: options.Seed = 0,
    json: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
) -> None:
    """Milliseconds of one image through MODEL's ONNX files: float, QDQ dense, QDQ pruned."""
    loaded = load_model(model, ckpt, seed)
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(_CALIBRATION, *loaded.image_shape, generator=generator)
    status = Console(stderr=True).status(f"timing {model} in ONNX Runtime")
    with status, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = load_network(pruned or _prune(model, ckpt, cycles, seed, folder))
        found = list(measure(loaded, network, images, rounds, threads, folder))
    console = Console()
    say(console, f"{model} in ONNX Runtime on the CPU, one image, {threads} thread(s)")
    rows = table(["form", "blocks", "MB", "ms", "times float", "times int8"])
    plain, dense = found[0], found[1]
    for row in found:
        ratios = [f"{row.ms / other.ms:.2f}" for other in (plain, dense)]
        figures = f"{row.density:.0%}", f"{row.megabytes:.1f}", f"{row.ms:.1f}"
        rows.add_row(row.form, *figures, *ratios)
    show_whole(console, rows)
    if json is not None:
        runs = [asdict(row) for row in found]
        write_json(json, {"model": model, "threads": threads, "runs": runs})


def _prune(model: str, ckpt: Path | None, cycles: float, seed: int, folder: Path) -> Path:
    """Prune with images of noise; the folder of the run."""
    out = folder / "pruned"
    command = [sys.executable, "-m", "prune", "run", model, "--out", str(out)]
    command += ["--cycles", str(cycles), "--images", str(_PRUNING), "--seed", str(seed)]
    command += ["--data", str(noise(folder / "images", _PRUNING))]
    command += ["--ckpt", str(ckpt)] if ckpt is not None else []
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise UserError(f"{' '.join(command)}: failed: {process.stderr.strip()}")
    return out
