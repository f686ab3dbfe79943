"""`python -m prune compare-methods`: integer methods for softmax and layer norm, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from hw.artifacts import write_text
from prune.accuracy import load_test_set
from prune.cli import options
from prune.cli.tables import say
from prune.data import calibration_images
from prune.models import load_model
from prune.quantize import quantize
from sim import reference
from sim.bench.methods.network import Methods, top1
from sim.bench.methods.table import Comparison

_BATCH = 100
"""Images that are read at a time."""


def compare_methods(
    model: options.Model = "demo",
    data: Annotated[
        Path | None,
        typer.Option(help="Fashion-MNIST's IDX files, or a folder a class; else 1000 bundled."),
    ] = None,
    ckpt: options.Checkpoint = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Folder of calibration images; else the bundled.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Test images, a seeded choice.")] = None,
    seed: options.Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Markdown file of the tables.")] = None,
) -> None:
    """Error, top-1 on MODEL and FPGA resources of every method, as Markdown tables."""
    loaded = load_model(model, ckpt, seed, to_compile=True)
    network = quantize(loaded, calibration_images(loaded, calibration, None, seed))
    test_set = load_test_set(loaded, data)
    order = np.random.default_rng(seed).permutation(len(test_set.labels))
    chosen = np.sort(order[:limit])
    patches = np.concatenate(
        [
            reference.quantize_image(network.image, test_set.read(part).numpy())
            for part in np.split(chosen, range(_BATCH, len(chosen), _BATCH))
        ]
    )

    def predict(methods: Methods) -> NDArray[np.int64]:
        return top1(network, patches, methods)

    progress = Console(stderr=True)
    comparison = Comparison(
        predict, test_set.labels[chosen], lambda name: say(progress, f"running {name}")
    )
    text = (
        f"{model}, {len(chosen)} images of {test_set.source}. "
        f"Errors in units of the int8 output.\n\n{comparison.markdown()}\n"
    )
    typer.echo(text, nl=False)
    if out is not None:
        write_text(out, text)
