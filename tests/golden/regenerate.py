"""Make the golden report again, after a change that is meant to change figures:

    python -m tests.golden.regenerate

simulates the network in `tests/golden/demo` and writes `tests/golden/demo_report.json`. With
`--prune`, the demo is first pruned anew (`python -m prune run demo`) and its network kept here. The
network is kept because the last bits of a pruning depend on the processor; a report does not.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hw.artifacts import write_json
from hw.config import ArrayConfig
from hw.ir import load_network
from hw.program.compiler import compile_network
from hw.program.files import network_digest
from sim.images import input_image
from sim.machine.run import Conditions
from sim.measure import measure
from sim.report.build import Report, build_report
from sim.run_log import RunLog

HERE = Path(__file__).parent
NETWORK = HERE / "demo"
GOLDEN = HERE / "demo_report.json"
FILES = ("network.json", "network.safetensors")
VOLATILE = ("simulation", "tools", "resources")
"""Parts of the header that differ from one machine or day to the next."""


def golden_report(work: Path) -> Report:
    """The report of the network kept here, simulated now; without its volatile parts.

    Args:
        work: an empty folder.
    """
    for name in FILES:
        shutil.copy(NETWORK / name, work)
    network = load_network(work)
    program = compile_network(network, ArrayConfig())
    result = measure(network, program, input_image(network.image, "0"), Conditions())
    log = RunLog()
    log.add(result)
    write_json(work / "cycles.json", {**log.entry(), "network_digest": network_digest(work)})
    report = build_report(work)
    header: dict[str, Any] = report["header"]
    return {**report, "header": {k: v for k, v in header.items() if k not in VOLATILE}}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "--prune" in sys.argv[1:]:
            command = [sys.executable, "-m", "prune", "run", "demo", "--cycles", "0.5"]
            subprocess.run([*command, "--out", str(folder / "demo")], check=True)
            for file in FILES:
                shutil.copy(folder / "demo" / file, NETWORK / file)
        (folder / "work").mkdir()
        write_json(GOLDEN, golden_report(folder / "work"))


if __name__ == "__main__":
    main()
