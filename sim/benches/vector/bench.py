"""Random vector instructions, grants and hazards; every word and cycle, against `hw.integer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from hw.config import ArrayConfig
from hw.program.isa import OPCODES, encode
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.vector.plan import PLACES, Conditions, Plan, Planner, reads_second
from sim.benches.vector.work import OPERATIONS, IntArray, Work, Workload

OPERATIONS_A_TEST = 24
MOST_CYCLES = 100_000
AFTERWARDS = 20
"""Cycles behind the last instruction in which nothing may happen."""


class Memories:
    """The sums and the residual: a word a read, in the next cycle; otherwise the word stays."""

    def __init__(self, dut: Any, workload: Workload) -> None:
        self._dut = dut
        self._words = {name: workload.memory(name) for name in ("sums", "residual")}
        self._next: dict[str, int] = {}

    def drive(self) -> None:
        """At the start of a cycle: what the last one has read."""
        for name, word in self._next.items():
            getattr(self._dut, f"{name}_data_i").value = pack(self._words[name][word], 16)
        self._next = {}

    def settled(self, reads: dict[str, int], cycle: int) -> None:
        """Compare what is read with what should be, and remember it."""
        for name, words in self._words.items():
            read = int(getattr(self._dut, f"{name}_read_o").value)
            check(f"{name}_read", int(name in reads), read, cycle)
            if read:
                addr = int(getattr(self._dut, f"{name}_addr_o").value)
                check(f"{name}_addr", reads[name], addr, cycle)
                self._next[name] = addr % len(words)

    def write(self, addr: int, first: int, data: IntArray) -> None:
        """A slice of a residual word, from lane `first` on; out of sight behind the last word."""
        if addr < len(self._words["residual"]):
            self._words["residual"][addr, first : first + len(data)] = data


class Queries:
    """Asks at random which words are still to be written or read, near those that are."""

    def __init__(
        self, dut: Any, works: Sequence[Work], plan: Plan, rng: np.random.Generator
    ) -> None:
        self._dut = dut
        self._works = works
        self._plan = plan
        self._rng = rng
        self._asked = {"write": (0, 0, 0), "read": (0, 0, 0)}

    def drive(self, cycle: int) -> None:
        waiting = self._waiting(cycle)
        for kind, port in (("write", "normal_read"), ("read", "sums_write")):
            spans = [span for work in waiting if (span := self._span(work, kind, cycle))]
            asked = int(self._rng.random() < 0.7)
            first, end = 0, int(self._rng.integers(1, 50))
            if spans:
                span = spans[self._rng.integers(len(spans))]
                edge = int(self._rng.choice(span))
                first = max(edge - int(self._rng.integers(3)), 0)
                end = first + int(self._rng.integers(1, 4))
            self._asked[kind] = (asked, first, end)
            getattr(self._dut, f"{port}_i").value = asked
            ports = "read" if kind == "write" else "write"
            getattr(self._dut, f"{ports}_first_i").value = first
            getattr(self._dut, f"{ports}_end_i").value = end

    def settled(self, cycle: int) -> None:
        for kind, port in (("write", "writes"), ("read", "reads")):
            asked, first, end = self._asked[kind]
            spans = (self._span(work, kind, cycle) for work in self._waiting(cycle))
            meets = any(span and first < span[1] and span[0] < end for span in spans)
            actual = int(getattr(self._dut, f"{port}_o").value)
            check(f"{port}[words {first} to {end}]", int(asked and meets), actual, cycle)

    def _waiting(self, cycle: int) -> list[Work]:
        """Instructions in the queue."""
        count = sum(window.push < cycle for window in self._plan.windows)
        recent = range(max(count - PLACES, 0), count)
        return [self._works[n] for n in recent if self._plan.windows[n].end >= cycle]

    def _span(self, work: Work, kind: str, cycle: int) -> tuple[int, int] | None:
        """First word and end of what an instruction has yet to write or to read."""
        i = work.instruction
        if kind == "read":
            first, stride = i.in_addr, i.in_stride
            if reads_second(i):
                first, stride = i.operand, i.second_stride
            elif not i.sums:
                return None
            return first, first + (i.rows - 1) * stride + i.tokens
        if work.memory != "normal":
            return None
        written = sum(c < cycle for c in self._plan.windows[i.id].rows_written)
        end = i.out_addr + (i.rows - 1) * i.out_stride + i.tokens
        return i.out_addr + written * i.out_stride, end


class Driver:
    """Everything that comes from outside, as planned; ports that do not count carry noise."""

    def __init__(self, dut: Any, works: Sequence[Work], plan: Plan, conditions: Conditions) -> None:
        self._dut = dut
        self._works = works
        self._plan = plan
        self._conditions = conditions

    def drive(self, cycle: int) -> None:
        for name in ("grant", "sums_hazard", "normal_hazard", "store_ready", "store_busy"):
            value = getattr(self._conditions, name)[cycle]
            getattr(self._dut, f"{name}_i").value = int(value)
        number = self._plan.pushes.get(cycle)
        self._dut.push_i.value = int(number is not None)
        if number is not None:
            self._dut.vector_i.value = pack(encode(self._works[number].instruction), 32)
        write = self._plan.norm_writes.get(cycle)
        self._dut.norm_write_i.value = int(write is not None)
        if write is not None:
            self._dut.norm_addr_i.value, self._dut.norm_bank_i.value = write[:2]
            self._dut.norm_data_i.value = pack(write[2], 16)


class Checker:
    """Compares all outputs with the plan, cycle by cycle."""

    def __init__(
        self, dut: Any, works: Sequence[Work], plan: Plan, lanes: int, memories: Memories
    ) -> None:
        self._dut = dut
        self._works = works
        self._plan = plan
        self._lanes = lanes
        self._memories = memories
        self._waiting = 0

    def cycle(self, cycle: int) -> None:
        self._state(cycle)
        self._row(cycle)
        self._write(cycle)
        self._store(cycle)
        self._waiting += int(cycle in self._plan.pushes) - int(cycle in self._plan.ends)

    def _equal(self, port: str, place: str, expected: int, cycle: int) -> None:
        check(f"{port}[{place}]", expected, int(getattr(self._dut, f"{port}_o").value), cycle)

    def _state(self, cycle: int) -> None:
        row = self._plan.rows.get(cycle)
        number = self._plan.ends.get(cycle)
        place = "nothing due" if number is None else str(self._works[number])
        self._equal("done", place, int(number is not None), cycle)
        work = None if number is None else self._works[number]
        scored = work is not None and work.instruction.opcode == OPCODES["SCORE"]
        self._equal("live_valid", place, int(scored), cycle)
        if work is not None and work.selection is not None:
            self._equal("live", place, work.selection.live, cycle)
        norm = number is not None and self._works[number].params is not None
        self._equal("norm_free", place, int(norm), cycle)
        if number is not None:
            self._equal("id", place, self._works[number].instruction.id, cycle)
        self._equal("ready", place, int(self._waiting < PLACES), cycle)
        self._equal("busy", place, int(self._waiting > 0), cycle)
        place = row.place if row else place
        self._equal("steps", place, int(self._waiting > 0 and not (row and row.waits)), cycle)

    def _row(self, cycle: int) -> None:
        row = self._plan.rows.get(cycle)
        for name in ("sums", "normal") if row else ():
            first = getattr(row, name)
            if row and first is not None:
                self._equal(f"{name}_first", row.place, first, cycle)
                self._equal(f"{name}_end", row.place, first + row.tokens, cycle)

    def _write(self, cycle: int) -> None:
        write = self._plan.writes.get(cycle)
        place = write.place if write else "nothing due"
        memory = write.memory if write else ""
        self._equal("normal_write", place, int(memory == "normal"), cycle)
        self._equal("residual_write", place, int(memory == "residual"), cycle)
        if write is None:
            return
        self._equal("write_addr", place, write.addr, cycle)
        self._equal("write_slices", place, 1 << write.slice, cycle)
        actual = unpack(int(self._dut.write_data_o.value), 16, self._lanes)
        check_array(memory, place, ("lane",), write.data, actual, cycle)
        if memory == "residual":
            self._memories.write(write.addr, write.slice * self._lanes, write.data)

    def _store(self, cycle: int) -> None:
        offer = self._plan.stores.get(cycle)
        self._equal("store_valid", offer[0] if offer else "nothing due", int(bool(offer)), cycle)
        if offer is not None:
            place, addr, data = offer
            self._equal("store_addr", place, addr, cycle)
            actual = unpack(int(self._dut.store_data_o.value), 16, len(data))
            check_array("store", place, ("feature",), data, actual, cycle)


async def run_workload(
    dut: Any, operations: Sequence[str], wait_chance: float, programs: int = 1
) -> None:
    """Run random operations of these kinds and check everything in every cycle.

    Args:
        programs: one after another, without a reset in between.
    """
    settings = Settings.from_env()
    rng, cycles = settings.generator(), Cycles(dut)
    dut.push_i.value = 0
    dut.norm_write_i.value = 0
    dut.start_i.value = 0
    await cycles.reset()
    for _ in range(programs):
        workload = Workload(settings.config, rng)
        for number in range(OPERATIONS_A_TEST):
            workload.draw(operations[number % len(operations)])
        while sum(work.params is not None for work in workload.work) % 2:
            workload.draw("norm")  # the next program finds the same half of the parameters
        dut.start_i.value = 1
        await cycles.start()
        dut.start_i.value = 0
        await _run(dut, cycles, workload, settings.config, wait_chance, rng)


async def _run(
    dut: Any,
    cycles: Cycles,
    workload: Workload,
    config: ArrayConfig,
    wait_chance: float,
    rng: np.random.Generator,
) -> None:
    works = workload.work
    conditions = Conditions.draw(rng, len(works), MOST_CYCLES, wait_chance)
    plan = Planner(config, conditions).plan(works)
    memories = Memories(dut, workload)
    driver = Driver(dut, works, plan, conditions)
    queries = Queries(dut, works, plan, rng)
    checker = Checker(dut, works, plan, config.vector_lanes, memories)
    for cycle in range(plan.windows[-1].end + AFTERWARDS):
        driver.drive(cycle)
        memories.drive()
        queries.drive(cycle)
        await cycles.settle()
        memories.settled(plan.reads.get(cycle, {}), cycle)
        queries.settled(cycle)
        checker.cycle(cycle)
        await cycles.start()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def additions_means_and_stores(dut: Any) -> None:
    """Nothing waits."""
    await run_workload(dut, ("add", "mean", "store"), wait_chance=0.0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def layer_norms(dut: Any) -> None:
    """Nothing waits; sums gathered whole, by tokens, by word rows, from both memories."""
    await run_workload(dut, ("norm",), wait_chance=0.0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def softmaxes(dut: Any) -> None:
    """Nothing waits."""
    await run_workload(dut, ("softmax",), wait_chance=0.0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def selections(dut: Any) -> None:
    """Nothing waits; in place and elsewhere, some followed by a layer norm."""
    await run_workload(dut, ("selection",), wait_chance=0.0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def selections_of_two_programs(dut: Any) -> None:
    """The second program starts without a package, whatever the first has dropped."""
    await run_workload(dut, ("selection", "mean"), wait_chance=0.0, programs=2)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def everything_waits_at_random(dut: Any) -> None:
    """All operations; grants, hazards, stores and instructions wait at random."""
    await run_workload(dut, OPERATIONS, wait_chance=0.3)
