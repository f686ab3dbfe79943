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
from prune.cli.loading import is_run, load_named
from prune.cli.tables import say
from prune.data import calibration_images, calibration_source
from prune.models.support import why_not_compilable
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
    """Measure top-1 in float and in int8, by the integer reference, on the same images.

    A model that the compiler cannot run is measured in float alone.
    """
    loaded = load_named(model, ckpt, seed)
    lacking = why_not_compilable(loaded.model)
    if lacking is not None:
        network = None
    elif is_run(model):
        network = load_network(Path(model))
    else:
        pixels = calibration_images(loaded, calibration, images, seed)
        source = calibration_source(loaded, calibration)
        network = quantize(loaded, pixels, calibration_source=source)
    console = Console()
    with console.status("measuring"):
        found = measure(loaded, network, load_test_set(loaded, data), limit, seed)
    assert found.float_top1 is not None
    in_float = 100 * found.float_top1
    line = f"{model}: {found.images} images of {found.source}: float {in_float:.2f} %, "
    if found.int8_top1 is None:
        line += f"no int8: {lacking}"
    else:
        in_int8 = 100 * found.int8_top1
        line += f"int8 {in_int8:.2f} %, {in_float - in_int8:+.2f} points lost"
    say(console, line)
    if loaded.random or (network is not None and "warning" in network.info):
        console.print("[bold]the weights are random: these figures mean NOTHING[/]")
    if json is not None:
        why = {} if lacking is None else {"why_no_int8": lacking}
        write_json(json, {"model": model, **asdict(found), **why})
