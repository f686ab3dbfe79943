"""Starting a built simulation with cocotb inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cocotb_tools.config
import find_libpython

from hw.errors import UserError
from sim.machine.build import Machine


def simulate(
    machine: Machine,
    test_module: str,
    folder: Path,
    plusargs: Sequence[str] = (),
    env: dict[str, str] | None = None,
    waves: Path | None = None,
) -> None:
    """Run one cocotb test module on a machine.

    Args:
        folder: working folder; `results.xml` and `simulation.log` are left there.
        waves: where the FST file goes; the machine must have been built with waves.

    Raises:
        UserError: when the simulator or a cocotb test fails.
    """
    libs = str(cocotb_tools.config.libs_dir)
    environment = {
        **os.environ,
        **machine.toolchain.env,
        "PATH": f"{machine.toolchain.env['PATH']}{os.pathsep}{libs}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb_tools.config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": machine.top,
        "COCOTB_TEST_MODULES": test_module,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_LOG_LEVEL": "WARNING",
        **(env or {}),
    }
    command = [str(machine.folder / machine.top), *plusargs]
    if waves is not None:
        command.append("--trace")
    log = folder / "simulation.log"
    with log.open("w") as output:
        result = subprocess.run(command, cwd=folder, env=environment, stdout=output)
    report = folder / "results.xml"
    if result.returncode != 0 or not report.exists() or "<failure" in report.read_text():
        tail = [line for line in log.read_text().splitlines() if line.strip()][-15:]
        raise UserError(f"{machine.top}: the simulation failed:\n" + "\n".join(tail))
    dump = folder / "dump.fst"
    if waves is not None and dump.exists():
        waves.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(dump, waves)
