"""`python -m sim qdq`: what the QDQ form of a network gives, against the integer reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hw.ir import load_network
from sim.images import input_images


def qdq(
    folder: Annotated[Path, typer.Argument(help="Folder of a network.")],
    images: Annotated[int, typer.Option(min=1, help="How many.")] = 16,
    image: Annotated[
        str, typer.Option(help="Number of the first bundled image, an image, or a folder of them.")
    ] = "0",
) -> None:
    """Compare the logits of FOLDER's network as QDQ ONNX with the integer ones."""
    from sim.qdq import distance

    network = load_network(folder)
    found = distance(network, input_images(network.image, image, images))
    typer.echo(
        f"{network.model}, QDQ ONNX, {found.images} images: logits {found.rms:.2f} int8 steps off "
        f"(rms), {found.largest:.2f} at most; {found.same_top1} with the same top-1"
    )
