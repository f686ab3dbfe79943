"""The cycles that the vector unit's bench holds it to are those of the cycle model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.program.isa import OPCODES
from sim.benches.registry import DEFAULT_GEOMETRY
from sim.benches.vector.plan import Conditions, Plan, Planner
from sim.benches.vector.work import OPERATIONS, Work, Workload
from sim.events import FIELDS, _run_vector

CONFIGS = [replace(DEFAULT_GEOMETRY, lanes=lanes) for lanes in (4, 8, 16)]
MOST_CYCLES = 200_000


def planned(config: ArrayConfig) -> tuple[list[Work], Plan]:
    """Instructions, and when the bench expects them, with nothing to wait for."""
    rng = np.random.default_rng(1)
    workload = Workload(config, rng)
    for number in range(40):
        workload.draw(OPERATIONS[number % len(OPERATIONS)])
    conditions = Conditions.draw(rng, len(workload.work), MOST_CYCLES, 0.0)
    return workload.work, Planner(config, conditions).plan(workload.work)


def modelled(work: Work, start: int, config: ArrayConfig) -> tuple[int, list[int]]:
    """Last cycle of an instruction, and the cycles in which its normal word rows are written."""
    i = work.instruction
    fields = {**vars(i), "records": i.tiles}
    row = np.array([fields[name] for name in FIELDS], np.int64)
    entry = np.zeros(6 + i.rows, np.int64)
    geometry = np.zeros(17, np.int64)
    geometry[[5, 6, 7]] = config.rows, config.cols, config.vector_lanes
    idle = np.full((4, 5), -1, np.int64)
    end = _run_vector(row, start, entry, idle, np.full(3, -1, np.int64), geometry)
    return int(end), entry[6:].tolist()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.vector_lanes}_lanes")
def test_plan_equals_cycle_model(config: ArrayConfig) -> None:
    works, plan = planned(config)
    before = -1
    for work, window in zip(works, plan.windows, strict=True):
        start = max(window.push, before) + 1
        before = window.end
        if work.instruction.opcode == OPCODES["STORE"]:
            continue  # its cycles depend on the memory: `test_geometries`
        end, rows = modelled(work, start, config)
        assert window.end == end, work
        if work.memory == "normal":
            assert window.rows_written == rows, work
