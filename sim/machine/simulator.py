"""Starting a built simulation with cocotb inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

from hw.errors import UserError
from sim.machine.build import Machine


@dataclass(frozen=True)
class TestResult:
    """How one cocotb test ended."""

    __test__ = False  # no test class for pytest

    name: str
    seconds: float
    failure: str = ""
    """One line; empty when the test passed."""


def run_tests(
    machine: Machine,
    test_module: str,
    folder: Path,
    plusargs: Sequence[str] = (),
    env: dict[str, str] | None = None,
    waves: Path | None = None,
) -> list[TestResult]:
    """Run the cocotb tests of a module on a machine.

    Args:
        folder: working folder; `results.xml` and `simulation.log` are left there.
        waves: where the FST file goes; the machine must have been built with waves.

    Raises:
        UserError: when the simulator dies, or leaves no waves where some were asked for.
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
        "COCOTB_REWRITE_ASSERTION_FILES": "",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_LOG_LEVEL": "WARNING",
        **(env or {}),
    }
    command = [str(machine.folder / machine.top), *plusargs]
    if waves is not None:
        command.append("--trace")
    log, dump = folder / "simulation.log", folder / "dump.fst"
    with log.open("w") as output:
        result = subprocess.run(command, cwd=folder, env=environment, stdout=output)
    if waves is not None and dump.exists():
        waves.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(dump, waves)
    results = _read_results(folder / "results.xml")
    if result.returncode != 0 or not results:
        tail = [line for line in log.read_text().splitlines() if line.strip()][-15:]
        raise UserError(f"{machine.top}: the simulation failed:\n" + "\n".join(tail))
    if waves is not None and not waves.exists():
        raise UserError(f"{waves}: the simulation of {machine.top} left no waves")
    return results


def _read_results(path: Path) -> list[TestResult]:
    """The tests of a cocotb report; none where the report is missing or cut short."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return []
    results = []
    for case in cases:
        failure = ""
        for problem in (*case.findall("failure"), *case.findall("error")):
            kind, message = problem.get("type", ""), problem.get("message", "")
            failure = " ".join((message or kind or "failed").split())
        results.append(TestResult(case.get("name", ""), float(case.get("time", 0)), failure))
    return results


def simulate(
    machine: Machine,
    test_module: str,
    folder: Path,
    plusargs: Sequence[str] = (),
    env: dict[str, str] | None = None,
    waves: Path | None = None,
) -> None:
    """`run_tests`, all of which must pass.

    Raises:
        UserError: also when a cocotb test fails.
    """
    for result in run_tests(machine, test_module, folder, plusargs, env, waves):
        if result.failure:
            raise UserError(f"{machine.top}: {result.name} failed: {result.failure}")
