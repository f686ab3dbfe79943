"""Compiling a project for C simulation, once for each different one."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hw.cache import CACHE, locked
from hw.errors import UserError
from hw.hls.bridge import DECLARATION, WEIGHTS, bridge_source
from hw.hls.registration import SOURCES

COMPILER = "g++"
FLAGS = ("-O1", "-std=c++11", "-fPIC", "-fno-gnu-unique", "-w", "-Ifirmware/ap_types", "-I.")


@cache
def compiler_version() -> str:
    """What the compiler calls itself.

    Raises:
        UserError: it cannot be run.
    """
    try:
        result = subprocess.run([COMPILER, "--version"], capture_output=True, text=True)
    except OSError as error:
        raise UserError(
            f"{COMPILER}: {error.strerror}; C simulation needs a C++ compiler, install one"
        ) from error
    return result.stdout.splitlines()[0]


def _digest(folder: Path) -> str:
    """Of all that is compiled; weights are read when it runs."""
    sources = [folder / "bridge.cpp", *sorted((folder / "firmware").glob("*.[ch]*"))]
    parts = [path.read_text() for path in (*sources, *sorted(SOURCES.glob("*.h")))]
    parts += [compiler_version(), version("hls4ml"), *FLAGS]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def build_library(graph: Any) -> Path:
    """The shared library of the project that `graph` has written, built or found built.

    Raises:
        UserError: there is no compiler, or it fails.
    """
    folder = Path(graph.config.get_output_dir())
    (folder / "weights_folder.h").write_text(DECLARATION)
    (folder / "bridge.cpp").write_text(bridge_source(graph))
    library = CACHE / f"hls-{_digest(folder)}.so"
    if library.exists():
        return library
    with locked(library.with_suffix(".lock")):
        if not library.exists():
            _compile(folder, library)
    return library


def _compile(folder: Path, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".hls-") as name:
        built = Path(name) / library.name
        arguments = [
            *FLAGS,
            f"-DWEIGHTS_DIR={WEIGHTS}",
            *("-include", "weights_folder.h", "-shared"),
            *("bridge.cpp", "-o", str(built)),
        ]
        result = subprocess.run(
            [COMPILER, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if "error" in line]
            first = errors[0] if errors else result.stderr[-200:]
            raise UserError(f"{COMPILER} does not compile the HLS project: {first}")
        built.replace(library)
