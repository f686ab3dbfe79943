"""`python -m hw export` and `import`: a network in the formats of others, and back.

Their libraries take a second to load, so each is imported where it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hw.errors import UserError
from hw.ir import Network, load_network, save_network

Folder = Annotated[Path, typer.Argument(help="Folder of a network, as `python -m prune` writes.")]


def export(
    folder: Folder,
    onnx: Annotated[
        Path | None, typer.Option(help="Write integer ONNX, the machine's bits, to this file.")
    ] = None,
    qdq: Annotated[
        Path | None, typer.Option(help="Write ONNX in standard operators, to this file.")
    ] = None,
) -> None:
    """Write FOLDER's network in formats that other tools read; `docs/onnx.md` explains them."""
    if onnx is None and qdq is None:
        raise UserError(f"export {folder}: no format; name a file to write, as --onnx FILE")
    network = load_network(folder)
    if onnx is not None:
        _export_onnx(network, onnx)
    if qdq is not None:
        _export_qdq(network, qdq)


def _export_onnx(network: Network, path: Path) -> None:
    from hw.onnx.export import export_integer
    from hw.onnx.files import write_model

    write_model(export_integer(network), path)
    _said(network, path, "integer ONNX")


def _export_qdq(network: Network, path: Path) -> None:
    from hw.onnx.files import write_model
    from hw.onnx.qdq.export import export_qdq

    write_model(export_qdq(network), path)
    _said(network, path, "QDQ ONNX")


def import_(
    file: Annotated[Path, typer.Argument(help="ONNX file, integer or with Q/DQ nodes.")],
    out: Annotated[Path, typer.Option(help="Folder of the network.")],
) -> None:
    """Write FILE's network into OUT, as `python -m prune run` would; then compile and simulate it.

    A file that cannot be mapped to the machine's operations is refused with a list of its nodes
    and reasons.
    """
    from hw.onnx.load import load_onnx

    if (out / "pruned.json").exists():
        raise UserError(f"{out}: holds a pruning run, expected another folder; choose another OUT")
    network = load_onnx(file)
    origin = network.info.get("weights_source")
    network.info["weights_source"] = f"{origin}, from {file.name}" if origin else file.name
    save_network(network, out)
    typer.echo(f"{out}/network.json: {network.model}, {len(network.ops)} operations")


def _said(network: Network, path: Path, form: str) -> None:
    size = path.stat().st_size / 1e6
    typer.echo(f"{path}: {network.model}, {form}, {len(network.ops)} operations, {size:.2f} MB")
