"""`python -m prune latency`: what fewer tokens save on this machine's CPU."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from hw.artifacts import write_json
from hw.errors import UserError
from prune.cli import options
from prune.cli.tables import say, show_whole, table
from prune.models import load_model
from prune.quantize import normalize
from prune.tokens.latency import Latency, measure


def latency(
    model: options.Model = "deit_s",
    ckpt: options.Checkpoint = None,
    keep: Annotated[
        str, typer.Option(help="Shares of the patches that stay at each place, by commas.")
    ] = "0.9,0.7,0.5",
    batch: Annotated[str, typer.Option(help="Images at a time, by commas.")] = "1,8",
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn.", min=1)] = 5,
    seed: options.Seed = 0,
    json: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
) -> None:
    """Milliseconds of MODEL with token selectors, EViT and ToMe, against all tokens."""
    shares, batches = _shares(keep), _counts(batch)
    loaded = load_model(model, ckpt, seed)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(max(batches), *loaded.image_shape, generator=generator)
    images = normalize(loaded, pixels)
    found = list[Latency]()
    with Console(stderr=True).status(f"timing {model} with fewer tokens") as status:
        for count in batches:
            for share in shares:
                status.update(f"timing {model}, {share:.0%} of the patches, {count} at a time")
                found += measure(loaded.model, images[:count], share, rounds)
    console = Console()
    threads = torch.get_num_threads()
    say(console, f"{model} on the CPU, {threads} threads, least of {rounds} rounds")
    rows = table(["method", "keep", "tokens", "images", "dense ms", "ms", "times dense"])
    for row in found:
        tokens = " ".join(f"{count:.0f}" for count in (row.tokens[0], row.tokens[-1]))
        times = f"{row.dense_ms:.1f}", f"{row.ms:.1f}", f"{row.ratio:.2f}"
        rows.add_row(row.method, f"{row.keep:.0%}", tokens, str(row.batch), *times)
    show_whole(console, rows)
    if json is not None:
        write_json(
            json,
            {
                "model": model,
                "threads": threads,
                "runs": [{**asdict(row), "ratio": row.ratio} for row in found],
            },
        )


def _shares(text: str) -> list[float]:
    try:
        shares = [float(item) for item in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 < share < 1 for share in shares):
        raise UserError(f"--keep {text}: expected shares between 0 and 1 by commas, as 0.9,0.7,0.5")
    return shares


def _counts(text: str) -> list[int]:
    if not all(item.isdecimal() and int(item) for item in text.split(",")):
        raise UserError(f"--batch {text}: expected numbers of images by commas, as 1,8")
    return [int(item) for item in text.split(",")]
