"""The RTL passes Verilator's lint with every warning on, for several geometries."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hw.config import ArrayConfig
from hw.program.isa import systemverilog_package
from sim.machine.build import core_parameters, rtl_sources
from sim.machine.toolchain import find_toolchain

GEOMETRIES = [(16, 16, 16), (4, 4, 16), (8, 16, 4), (16, 4, 8), (32, 32, 64), (64, 64, 64)]


@pytest.mark.parametrize(("rows", "cols", "mem_bytes"), GEOMETRIES)
def test_rtl_is_lint_clean(rows: int, cols: int, mem_bytes: int, tmp_path: Path) -> None:
    toolchain = find_toolchain()
    package = tmp_path / "blockvit_pkg.sv"
    package.write_text(systemverilog_package())
    config = ArrayConfig(rows=rows, cols=cols, mem_bytes=mem_bytes)
    parameters = [f"-G{name}={value}" for name, value in core_parameters(config).items()]
    result = subprocess.run(
        [
            toolchain.verilator,
            *("--lint-only", "-Wall", "--top-module", "blockvit_core"),
            *parameters,
            package,
            *rtl_sources(),
        ],
        env={**os.environ, **toolchain.env},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
