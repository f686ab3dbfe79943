"""Writing an HLS project: the folder that Vitis HLS users build, whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.hls.configuration import HLSConfig
from hw.hls.graph import model_graph
from hw.ir import Network

DESCRIPTION = "hls4ml_config.yml"
"""hls4ml writes its configuration into every project."""


def read_overrides(path: Path) -> HLSConfig:
    """Changes to hls4ml's configuration, from a YAML or JSON file: its `HLSConfig`, or that alone.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}), expected YAML") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML ({str(error).splitlines()[0]})") from error
    sections = found.get("HLSConfig", found) if isinstance(found, dict) else None
    if not isinstance(sections, dict) or not all(isinstance(v, dict) for v in sections.values()):
        raise UserError(f"{path}: expected the sections Model, LayerType or LayerName of hls4ml")
    return sections


def write_project(
    network: Network,
    array: ArrayConfig,
    folder: Path,
    overrides: HLSConfig | None = None,
    io_type: str = "io_parallel",
) -> None:
    """Write the project of a network; an earlier project in `folder` is replaced.

    Args:
        network: a valid network.
        array: the machine whose parallelism and clock are the defaults.
        folder: becomes the project; its parent must be writable.
        overrides: changes to hls4ml's configuration: see `hw.hls.configuration.hls_config`.
        io_type: `io_parallel` or `io_stream`.

    Raises:
        UserError: the folder holds something else or cannot be written, or the configuration is
            wrong.
    """
    try:
        foreign = folder.exists() and not (folder / DESCRIPTION).exists()
        if foreign and any(folder.iterdir()):
            raise UserError(f"{folder}: is not an HLS project; name an empty or a new folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
            written = Path(name) / "project"
            model_graph(network, array, str(written), overrides, io_type).write()
            _name_folder(written)
            if folder.exists():
                folder.rename(Path(name) / "before")
            written.rename(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); free or change it"
        ) from error


def _name_folder(folder: Path) -> None:
    """The project may lie anywhere: its description does not say where it was written."""
    path = folder / DESCRIPTION
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(entry | {"OutputDir": "."}), encoding="utf-8")
