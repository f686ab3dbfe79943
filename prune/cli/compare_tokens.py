"""`python -m prune compare-tokens`: what fewer tokens cost in accuracy without any training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from hw.artifacts import read_json, write_json
from hw.cli import array_config
from hw.errors import UserError
from prune.cli import options
from prune.cli.loading import load_named
from prune.cli.tables import say, show_whole, table
from prune.sweep.evaluate import Engine
from prune.sweep.images import digest, read_test_images
from prune.tokens.compare import choices, top1
from prune.tokens.pricing import BaselineCycles, selectable

_SHAPE_IMAGES = 2
"""Images that calibrate a network of which only shapes and zeros count."""


def compare_tokens_command(
    model: Annotated[str, typer.Argument(help="A model's name, or the folder of a pruning run.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Test images: Fashion-MNIST's IDX files, or a folder a class."),
    ] = None,
    ckpt: options.Checkpoint = None,
    cycles: Annotated[
        str, typer.Option(help="Shares of the cycles with all tokens, by commas.")
    ] = "0.8,0.7,0.6",
    limit: Annotated[int | None, typer.Option(help="Test images, a seeded choice.")] = None,
    seed: options.Seed = 0,
    rows: options.Rows = None,
    cols: options.Cols = None,
    config: options.Config = None,
    json: Annotated[
        Path | None, typer.Option(help="JSON file of the figures; finished ones are kept.")
    ] = None,
) -> None:
    """Top-1 of MODEL with EViT and ToMe, in float, at shares of its cycles.

    The machine has no instruction for them: their cycles are those of the layers alone.
    """
    shares = _shares(cycles)
    array = array_config(config, rows=rows, cols=cols)
    loaded = load_named(model, ckpt, seed)
    images = read_test_images(loaded, data, limit, seed)
    engine, console = Engine.choose(), Console()
    settings = {
        "model": model,
        "weights": loaded.weights_source,
        "images": f"{len(images.labels)} of {images.source}",
        "digest": digest(images.pixels),
        "engine": f"{engine.device} {engine.precision}",
        "array": asdict(array),
    }
    found = _finished(json, settings)
    points = found["points"]
    pixels = images.pixels[:_SHAPE_IMAGES].float() / 255
    cost = BaselineCycles(selectable(loaded, pixels, (array.cols, array.rows)), array)
    if "dense" not in found:
        found["dense"] = engine.top1(loaded, images)
    chosen = list(choices(cost, shares, cost.tokens - cost.prefix))
    for choice in track(chosen, "measuring", console=Console(stderr=True)):
        name = f"{choice.name} {choice.settings}"
        if name not in points:
            points[name] = top1(loaded, choice.method, images, engine)
            if json is not None:
                write_json(json, {**settings, **found})
    say(console, f"{model}, {settings['images']}: top-1 with all tokens {found['dense']:.2%}")
    shown = table(["method", "budget", "cycles", "top-1", "lost", "settings"])
    for choice in chosen:
        figure = points[f"{choice.name} {choice.settings}"]
        lost = f"{100 * (found['dense'] - figure):+.2f}"
        cells = f"{choice.share:.0%}", f"{choice.spent:.1%}", f"{figure:.2%}", lost
        shown.add_row(choice.name, *cells, choice.settings)
    show_whole(console, shown)


def _shares(text: str) -> list[float]:
    try:
        return [float(item) for item in text.split(",")]
    except ValueError as error:
        raise UserError(f"--cycles {text}: expected shares by commas, as 0.8,0.7,0.6") from error


def _finished(path: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """What an earlier comparison of the same settings left in `path`: `dense` and `points`.

    Raises:
        UserError: the file is of another comparison.
    """
    if path is None or not path.exists():
        return {"points": {}}
    content = read_json(path, "figures of compare-tokens", "delete it")
    for name, value in settings.items():
        if content.get(name) != value:
            raise UserError(
                f"{path}: figures with {name} {content.get(name)}, expected {value}; delete it, or "
                "choose another --json"
            )
    return {"dense": content["dense"], "points": content["points"]}
