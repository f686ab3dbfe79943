"""Building a unit's bench and running its cocotb tests."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hw.config import ArrayConfig
from sim.benches.common.settings import Settings
from sim.benches.registry import DEFAULT_GEOMETRY, UnitBench
from sim.machine.build import build_machine
from sim.machine.simulator import TestResult, run_tests


def run_bench(
    bench: UnitBench,
    config: ArrayConfig = DEFAULT_GEOMETRY,
    seed: int = 1,
    waves: Path | None = None,
    test_module: str | None = None,
) -> list[TestResult]:
    """Run the tests of a bench, in the order they are written.

    Args:
        waves: where to leave an FST file.
        test_module: other cocotb tests on the same build.

    Raises:
        UserError: when tools are missing, the build fails or the simulator dies.
    """
    machine = build_machine(bench.build(config), waves=waves is not None)
    with tempfile.TemporaryDirectory(prefix="blockvit-") as folder:
        return run_tests(
            machine,
            test_module or bench.test_module,
            Path(folder),
            env=Settings(config, seed).to_env(),
            waves=waves,
        )
