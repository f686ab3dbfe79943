"""`python -m hw export` and `import`: a network in the formats of others, and back.

Their libraries take a second to load, so each is imported where it is needed.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from hw import options
from hw.config import ArrayConfig
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
    hls: Annotated[
        Path | None, typer.Option(help="Write a Vitis HLS project, the machine's bits, there.")
    ] = None,
    hls_config: Annotated[
        Path | None, typer.Option(help="YAML file of changes to hls4ml's HLSConfig.")
    ] = None,
    io_type: Annotated[
        str, typer.Option(help="Of the HLS project: io_parallel or io_stream.")
    ] = "io_parallel",
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
) -> None:
    """Write FOLDER's network in formats that other tools read: `docs/onnx.md` and `docs/hls.md`.

    An HLS project has the parallelism of the machine that FOLDER was made for, or of the one named.
    """
    if onnx is None and qdq is None and hls is None:
        raise UserError(f"export {folder}: no format; name what to write, as --onnx FILE")
    network = load_network(folder)
    if onnx is not None:
        _export_onnx(network, onnx)
    if qdq is not None:
        _export_qdq(network, qdq)
    if hls is not None:
        made_for = folder / "config.json"
        file = made_for if config is None and made_for.exists() else config
        array = options.geometry(file, rows=rows, cols=cols, lanes=lanes)
        _export_hls(network, array, hls, hls_config, io_type)


def _export_onnx(network: Network, path: Path) -> None:
    from hw.onnx.export import export_integer
    from hw.onnx.files import write_model

    write_model(export_integer(network), path)
    _said(network, path, "integer ONNX")


def _export_hls(
    network: Network, array: ArrayConfig, folder: Path, overrides: Path | None, io_type: str
) -> None:
    from hw.hls.project import read_overrides, write_project

    changes = read_overrides(overrides) if overrides is not None else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_project(network, array, folder, changes, io_type)
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    typer.echo(
        f"{folder}: {network.model}, Vitis HLS, {io_type}, {len(network.ops)} operations; "
        "synthesize it there with `vitis-run --mode hls --tcl build_prj.tcl`"
    )


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
