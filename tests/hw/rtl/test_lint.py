"""The RTL passes Verilator's lint with every warning on, for several geometries."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hw.config import ArrayConfig
from hw.program.isa import systemverilog_package
from sim.benches.registry import BENCHES, DEFAULT_GEOMETRY
from sim.machine.build import HERE as MACHINE
from sim.machine.build import RTL, core_parameters, rtl_sources
from sim.machine.toolchain import find_toolchain

GEOMETRIES = [(16, 16, 16), (4, 4, 16), (8, 16, 4), (16, 4, 8), (32, 32, 64), (64, 64, 64)]


STORE_WIDTHS = [(16, 4), (16, 16), (4, 32)]


def lint(top: str, parameters: dict[str, int], sources: list[Path]) -> str:
    """What Verilator says."""
    toolchain = find_toolchain()
    result = subprocess.run(
        [
            toolchain.verilator,
            *("--lint-only", "-Wall", "--timing", "--timescale", "1ns/1ps", "--top-module", top),
            *(f"-G{name}={value}" for name, value in parameters.items()),
            *sources,
        ],
        env={**os.environ, **toolchain.env},
        capture_output=True,
        text=True,
    )
    return result.stderr or f"status {result.returncode}" * bool(result.returncode)


@pytest.mark.parametrize(("rows", "cols", "mem_bytes"), GEOMETRIES)
def test_rtl_is_lint_clean(rows: int, cols: int, mem_bytes: int, tmp_path: Path) -> None:
    package = tmp_path / "blockvit_pkg.sv"
    package.write_text(systemverilog_package())
    config = ArrayConfig(rows=rows, cols=cols, mem_bytes=mem_bytes)
    assert lint("blockvit_core", core_parameters(config), [package, *rtl_sources()]) == ""


def test_rtl_without_selectors_is_lint_clean(tmp_path: Path) -> None:
    package = tmp_path / "blockvit_pkg.sv"
    package.write_text(systemverilog_package())
    parameters = core_parameters(ArrayConfig()) | {"Selectors": 0}
    assert lint("blockvit_core", parameters, [package, *rtl_sources()]) == ""


@pytest.mark.parametrize(("beat_bytes", "word_bytes"), STORE_WIDTHS)
def test_store_is_lint_clean_for_words_of_any_width(beat_bytes: int, word_bytes: int) -> None:
    parameters = {"BeatBytes": beat_bytes, "WordBytes": word_bytes}
    assert lint("axi_store", parameters, [RTL / "axi_store.sv"]) == ""


def test_simulated_dram_is_lint_clean() -> None:
    assert lint("dram", {}, [MACHINE / "dram.sv"]) == ""


@pytest.mark.parametrize("name", BENCHES)
def test_bench_is_lint_clean(name: str, tmp_path: Path) -> None:
    package = tmp_path / "blockvit_pkg.sv"
    package.write_text(systemverilog_package())
    # No bench uses all constants of the shared packages; the simulated DRAM takes its reset
    # with the clock.
    waiver = tmp_path / "packages.vlt"
    waiver.write_text(
        '`verilator_config\nlint_off -rule UNUSEDPARAM -file "*_pkg.sv"\n'
        'lint_off -rule SYNCASYNCNET -file "*/core_bench.sv"\n'
    )
    bench = BENCHES[name].build(DEFAULT_GEOMETRY)
    sources = [waiver, package, *rtl_sources(bench.modules), *bench.sources]
    assert lint(bench.top, bench.parameters, sources) == ""
