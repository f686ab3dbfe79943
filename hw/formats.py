"""`python -m hw export` and `import`: a network in the formats of others, and back.

Their libraries take a second to load, so each is imported where it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hw.errors import UserError
from hw.ir import Network, load_network

Folder = Annotated[Path, typer.Argument(help="Folder of a network, as `python -m prune` writes.")]


def export(
    folder: Folder,
    onnx: Annotated[Path | None, typer.Option(help="Write integer ONNX, bit for bit.")] = None,
) -> None:
    """Write FOLDER's network in formats that other tools read; `docs/onnx.md` explains them."""
    if onnx is None:
        raise UserError(f"export {folder}: no format; name a file to write, as --onnx FILE")
    network = load_network(folder)
    if onnx is not None:
        _export_onnx(network, onnx)


def _export_onnx(network: Network, path: Path) -> None:
    from hw.onnx.export import export_integer
    from hw.onnx.files import write_model

    write_model(export_integer(network), path)
    _said(network, path, "integer ONNX")


def _said(network: Network, path: Path, form: str) -> None:
    size = path.stat().st_size / 1e6
    typer.echo(f"{path}: {network.model}, {form}, {len(network.ops)} operations, {size:.2f} MB")
