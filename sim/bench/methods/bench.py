"""The cocotb test of a unit: one input a cycle, each output compared with the Python function."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from sim.bench.methods.units import UNITS
from sim.benches.common.check import check
from sim.benches.common.cycles import Cycles
from sim.machine.build import Bench, build_machine
from sim.machine.simulator import TestResult, run_tests

HERE = Path(__file__).parent
_VARIABLE = "BLOCKVIT_UNIT"


def run_unit(name: str) -> list[TestResult]:
    """Simulate the unit `name` of `UNITS`.

    Raises:
        UserError: when tools are missing, the build fails or the simulator dies.
    """
    unit = UNITS[name]
    with tempfile.TemporaryDirectory(prefix="blockvit-") as temporary:
        folder = Path(temporary)
        roms = folder / "roms.sv"
        roms.write_text(unit.rom_source())
        sources = (HERE / "rtl" / "ports.vlt", roms, *unit.sources)
        machine = build_machine(Bench(unit.top, sources, unit.parameters, modules=()))
        return run_tests(machine, __name__, folder, env={_VARIABLE: name})


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def matches_the_python_function(dut: Any) -> None:
    """Random and extreme inputs without gaps."""
    unit = UNITS[os.environ[_VARIABLE]]
    inputs = unit.stimulus(np.random.default_rng(1))
    expected = unit.model(inputs).tolist()
    cycles = Cycles(dut)
    dut.x_i.value = 0
    await cycles.reset(has_reset=False)
    for cycle in range(len(inputs) + unit.cycles):
        if cycle < len(inputs):
            dut.x_i.value = int(inputs[cycle])
        await cycles.settle()
        due = cycle - unit.cycles
        if due >= 0:
            check(f"y[{inputs[due]}]", expected[due], int(dut.y_o.value), cycle)
        await cycles.start()
