"""The simulated machine with all signals recorded: how long each bit is high, how often it changes.

A build of its own, without cocotb, whose main program knows no SAIF.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hw.cache import CACHE, locked
from hw.errors import UserError
from hw.program.isa import systemverilog_package
from sim.machine.build import HERE, Bench, network_bench, rtl_sources
from sim.machine.exchange import write_case
from sim.machine.run import Case, case_settings
from sim.machine.toolchain import find_toolchain
from sim.saif import Saif, read_saif

TOP = "saif_bench"
PERIOD = 2000
"""A clock cycle, in units of the files."""
_SOURCES = ("dram.sv", "blockvit_sim.sv", "saif_bench.sv")
_SETTINGS = (
    "latency", "beat_interval", "image_beats", "program_base", "program_beats", "result_base",
    "result_beats", "max_cycles",
)  # fmt: skip


def record_case(case: Case) -> Saif:
    """Run a program and record every signal.

    Raises:
        UserError: when tools are missing, the build fails or the run does.
    """
    executable = _build(network_bench(case.program.schedule.config, case.program.dram_bytes))
    settings = case_settings(case)["settings"]
    with tempfile.TemporaryDirectory(prefix="blockvit-") as name:
        folder = Path(name)
        write_case(folder, 0, case.network, case.program, case.tensors)
        arguments = [f"+dir={folder}", *(f"+{key}={settings[key]}" for key in _SETTINGS)]
        result = subprocess.run(
            [executable, *arguments], cwd=folder, capture_output=True, text=True
        )
        if result.returncode:
            raise UserError(f"{TOP}: the simulation failed: {result.stdout.strip()[-300:]}")
        return read_saif(folder / "activity.saif")


def _build(bench: Bench) -> Path:
    toolchain = find_toolchain()
    sources = [*rtl_sources(), *(HERE / name for name in _SOURCES)]
    package = systemverilog_package()
    arguments = [
        "--binary", "--timing", "--trace-saif", "-CFLAGS", "-std=c++20 -fcoroutines",
        "--unroll-count", "1", "--timescale", "1ns/1ps", "-Wno-fatal", "--top-module", TOP,
        *(f"-G{name}={value}" for name, value in bench.parameters.items()),
    ]  # fmt: skip
    parts = [toolchain.version, package, *arguments, *(path.read_text() for path in sources)]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    executable = CACHE / f"{TOP}-{digest}"
    with locked(CACHE / f"{executable.name}.lock"):
        if executable.exists():
            return executable
        with tempfile.TemporaryDirectory(prefix=f".{TOP}.", dir=CACHE) as name:
            folder = Path(name)
            (folder / "blockvit_pkg.sv").write_text(package)
            # Short runs: quick to build matters more than quick to run.
            flags = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
            command: list[str | Path] = [toolchain.verilator, *arguments, "--Mdir", folder]
            result = subprocess.run(
                [*command, folder / "blockvit_pkg.sv", *sources],
                env={**os.environ, **toolchain.env, "MAKEFLAGS": flags},
                capture_output=True,
                text=True,
            )
            if result.returncode:
                log = CACHE / f"{TOP}.log"
                log.write_text(result.stdout + result.stderr)
                raise UserError(f"{TOP}: the build failed; see {log}")
            shutil.move(folder / f"V{TOP}", executable)
    return executable
