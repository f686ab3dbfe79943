"""`python -m prune accuracy`: top-1 of the float model and of its integer network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hw.artifacts import write_json
from hw.ir import load_network
from prune.accuracy import load_test_set, measure
from prune.cli import options
from prune.data import calibration_images, calibration_source
from prune.models import load_model
from prune.pipeline import read_report
from prune.quantize import quantize


def accuracy(
    model: Annotated[
        str, typer.Argument(help="A model's name: dense; or the OUT folder of a pruning run.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Fashion-MNIST's IDX files, or a folder a class; else 1000 bundled."),
    ] = None,
    ckpt: options.Checkpoint = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Folder of calibration images; else the bundled.")
    ] = None,
    images: options.Images = None,
    limit: Annotated[int | None, typer.Option(help="Test images, a seeded choice.")] = None,
    seed: options.Seed = 0,
    json: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
) -> None:
    """Measure top-1 in float and in int8, by the integer reference, on the same images."""
    folder = Path(model)
    if (folder / "pruned.json").is_file():
        name = read_report(folder)["model"]
        loaded = load_model(name, folder / "pruned.safetensors", seed)
        network = load_network(folder)
    else:
        loaded = load_model(model, ckpt, seed)
        pixels = calibration_images(loaded, calibration, images, seed)
        source = calibration_source(loaded, calibration)
        network = quantize(loaded, pixels, calibration_source=source)
    console = Console()
    with console.status("measuring"):
        found = measure(loaded, network, load_test_set(loaded, data), limit, seed)
    assert found.float_top1 is not None and found.int8_top1 is not None
    loss = 100 * (found.float_top1 - found.int8_top1)
    console.print(
        f"{model}: {found.images} images of {found.source}: float {100 * found.float_top1:.2f} %, "
        f"int8 {100 * found.int8_top1:.2f} %, {loss:+.2f} points lost",
        soft_wrap=True,
    )
    if "warning" in network.info or loaded.random:
        console.print("[bold]the weights are random: these figures mean NOTHING[/]")
    if json is not None:
        write_json(json, {"model": model, **asdict(found)})
