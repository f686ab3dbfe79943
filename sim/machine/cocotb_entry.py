"""Runs inside the simulator: starts each case, sleeps while the clock runs, keeps the outcome.

The manifest named by `BLOCKVIT_MANIFEST` holds a list of cases (`sim.machine.run.Case`); outcomes
go to `outcomes.json` beside it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Edge, First, RisingEdge, Timer


def _status(cycle: int, expected: int, started: float, label: str) -> None:
    elapsed = time.monotonic() - started
    rate = cycle / elapsed
    left = max(expected - cycle, 0) / rate
    print(
        f"\r{label}: {cycle / 1e6:6.2f} of {expected / 1e6:.2f} M cycles, "
        f"{rate / 1e3:5.0f} kHz, {left:4.0f} s left ",
        end="",
        file=sys.stderr,
        flush=True,
    )


async def _run_case(dut: Any, number: int, case: dict[str, Any], progress: bool) -> dict[str, Any]:
    dut.case_number.value = number
    for name, value in case["settings"].items():
        getattr(dut, name).value = value
    started = time.monotonic()
    dut.go.value = 1
    while True:
        first = await First(RisingEdge(dut.finished), Edge(dut.progress))
        if isinstance(first, RisingEdge) or dut.finished.value:
            break
        if progress:
            _status(int(dut.cycle.value), case["expected_cycles"], started, case["label"])
    seconds = time.monotonic() - started
    if progress:
        _status(int(dut.cycle.value), int(dut.cycle.value), started, case["label"])
        print(file=sys.stderr)
    outcome = {
        "seconds": seconds,
        "cycle": int(dut.cycle.value),
        "failure": int(dut.failure.value),
        "port": int(dut.failure_port.value),
        "number": int(dut.failure_number.value),
        "address": int(dut.failure_address.value),
        "expected": hex(int(dut.failure_expected.value)),
        "actual": hex(int(dut.failure_actual.value)),
        "error": int(dut.error_code.value),
        "error_id": int(dut.error_id.value),
    }
    dut.go.value = 0
    await Timer(4, "ns")
    return outcome


@cocotb.test()
async def run_cases(dut: Any) -> None:
    """Run every case of the manifest."""
    path = Path(os.environ["BLOCKVIT_MANIFEST"])
    manifest = json.loads(path.read_text())
    await Timer(4, "ns")
    outcomes = []
    for number, case in enumerate(manifest["cases"]):
        outcomes.append(await _run_case(dut, number, case, manifest["progress"]))
        path.with_name("outcomes.json").write_text(json.dumps(outcomes))
