"""From SystemVerilog to the modules of an elaborated design."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import hw
from hw.config import ArrayConfig
from hw.parameters import core_parameters
from hw.program.isa import systemverilog_package
from hw.synth.hierarchy import Module, read_modules
from hw.synth.yosys import run_yosys

RTL = Path(hw.__file__).parent / "rtl"
TOP = "blockvit_core"
_PACKAGE = re.compile(r"^\s*package\s+\w+\s*;", re.M)


@dataclass(frozen=True)
class Design:
    """Sources in the order of compilation, the top level and its parameters."""

    sources: dict[str, str]
    """Text by file name, packages first."""
    top: str
    parameters: dict[str, int]

    @property
    def root(self) -> str:
        """Name of the top level's module in the elaborated design."""
        return f"\\{self.top}"


def core_design(config: ArrayConfig, selectors: bool = True) -> Design:
    """The whole core in one geometry, with the hardware of token selectors or without."""
    texts = {path.name: path.read_text() for path in sorted(RTL.glob("*.sv"))}
    parameters = core_parameters(config) | ({} if selectors else {"Selectors": 0})
    return design({"blockvit_pkg.sv": systemverilog_package(), **texts}, TOP, parameters)


def design(sources: dict[str, str], top: str, parameters: dict[str, int] | None = None) -> Design:
    """Any design; sources that declare a package go first, in the order given."""
    ordered = sorted(sources, key=lambda name: not _PACKAGE.search(sources[name]))
    return Design({name: sources[name] for name in ordered}, top, parameters or {})


def read_commands(wanted: Design, folder: Path, flatten: bool = False) -> list[str]:
    """Yosys commands that elaborate a design; its sources are written to `folder`."""
    for name, text in wanted.sources.items():
        (folder / name).write_text(text)
    options = [f"-G {name}={value}" for name, value in wanted.parameters.items()]
    if not flatten:
        options.insert(0, "--keep-hierarchy")
    return [f"read_slang {' '.join(options)} --top {wanted.top} {' '.join(wanted.sources)}"]


def elaborate(wanted: Design) -> dict[str, Module]:
    """The design's modules, each kind once, by name.

    Raises:
        UserError: when a source has an error.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run_yosys([*read_commands(wanted, folder), "write_rtlil design.il"], folder, wanted.top)
        return read_modules(folder / "design.il")
