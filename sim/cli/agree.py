"""`python -m sim agree`: the same images in every executor, compared."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from hw import options
from hw.artifacts import write_json
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import load_network
from hw.program.files import read_description
from sim.images import input_images

if TYPE_CHECKING:
    from sim.agree import Agreement

DIFFERENT = 1
"""Exit status when an executor differs from the reference."""


def agree(
    folder: Annotated[Path, typer.Argument(help="Folder of a network.")],
    images: Annotated[int, typer.Option(min=1, help="How many.")] = 32,
    image: Annotated[
        str, typer.Option(help="Number of the first bundled image, an image, or a folder of them.")
    ] = "0",
    skip: Annotated[str, typer.Option(help="Executors to leave out, as onnx,hls.")] = "",
    json: Annotated[Path | None, typer.Option(help="JSON file of the table.")] = None,
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    wide_words: options.WideWords = None,
) -> None:
    """Run FOLDER's network in the integer reference, ONNX Runtime, HLS C simulation and RTL.

    All logits must be equal, bit for bit; else the first operation that differs is named, and the
    exit status is 1.
    """
    # The executors' libraries take a second to load, which the other commands do without.
    from sim.agree import EXECUTORS, agreements

    left_out = [name for name in skip.split(",") if name]
    unknown = [name for name in left_out if name not in EXECUTORS]
    if unknown:
        raise UserError(f"--skip {unknown[0]}: expected some of {', '.join(EXECUTORS)}")
    geometry = {
        "rows": rows,
        "cols": cols,
        "lanes": lanes,
        "acc_depth": acc_depth,
        "act_words": act_words,
        "wide_words": wide_words,
    }
    compiled = (folder / "program.json").exists()
    base = ArrayConfig.from_dict(read_description(folder)["config"]) if compiled else None
    array = options.geometry(config, base, **geometry)
    network = load_network(folder)
    chosen = input_images(network.image, image, images)
    names = [name for name in EXECUTORS if name not in left_out]
    console = Console(stderr=True)
    found = []
    for result in agreements(network, array, chosen, names):
        found.append(result)
        console.print(f"{result.executor}: {result.equal} of {result.images} equal")
    Console().print(_table(network.model, found))
    if json is not None:
        write_json(json, [asdict(result) for result in found])
    wrong = [result for result in found if result.difference is not None]
    for result in wrong:
        typer.echo(f"error: {network.model}, {result.executor}: {result.difference}", err=True)
    if wrong:
        raise typer.Exit(DIFFERENT)


def _table(model: str, found: list[Agreement]) -> Table:
    table = Table(title=f"{model}: logits of {found[0].images} images, bit for bit")
    for name in ("executor", "equal", "differs first in", "to prepare s", "to run s"):
        table.add_column(name, justify="left" if name.startswith(("ex", "di")) else "right")
    for result in found:
        table.add_row(
            result.executor,
            f"{result.equal} of {result.images}",
            result.difference or "",
            f"{result.prepare_seconds:.1f}",
            f"{result.seconds:.1f}",
        )
    return table
