"""In which cycle the vector unit does what, given grants and hazards of every cycle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.program.isa import OPCODES, Instruction
from sim.benches.vector.work import IntArray, Work

MIN_ROW = 4
"""Least cycles of a row."""
PACKAGE_GAP = 2
"""Steps from the last token of a row to its package, of a selection or mean."""
ADD_STAGES, STAGES = 2, 7
"""From a step to its write."""
FACTOR_DRAIN = 47
PLACES = 4
"""Instructions in the queue."""

_PASSES = {
    "ADD": ("add",),
    "LAYERNORM": ("factor", "norm"),
    "SOFTMAX": ("max", "sum", "factor", "share"),
    "MEAN": ("recip", "select"),
    "SCORE": ("score", "factor"),
    "SELECT": ("recip", "weight", "select"),
}
_NAMES = {code: name for name, code in OPCODES.items()}


def reads_second(instruction: Instruction) -> bool:
    """Whether it has an operand in the sums beside the first."""
    add = instruction.opcode == OPCODES["ADD"] and bool(instruction.second)
    return add or instruction.opcode == OPCODES["SCORE"]


@dataclass(frozen=True)
class Conditions:
    """What the surroundings do, by cycle."""

    grant: NDArray[np.bool_]
    sums_hazard: NDArray[np.bool_]
    normal_hazard: NDArray[np.bool_]
    store_ready: NDArray[np.bool_]
    store_busy: NDArray[np.bool_]
    gap: NDArray[np.int64]
    """By instruction: cycles that it comes later than it could."""

    @staticmethod
    def draw(rng: np.random.Generator, count: int, cycles: int, chance: float) -> Conditions:
        """Every wait happens with this chance in every cycle."""
        waits = [rng.random(cycles) < chance for _ in range(5)]
        gap = rng.integers(0, 80, count) * (rng.random(count) < chance)
        return Conditions(~waits[0], waits[1], waits[2], ~waits[3], waits[4], gap)


@dataclass(frozen=True)
class Write:
    """A slice of a word on its way to a memory."""

    place: str
    memory: str
    addr: int
    slice: int
    data: IntArray  # (lanes)


@dataclass(frozen=True)
class Row:
    """A row that is about to start, or waits to: first words of what it touches, None: nothing."""

    place: str
    sums: int | None
    normal: int | None
    tokens: int
    waits: bool


@dataclass
class Window:
    """The life of an instruction in the queue."""

    push: int = -1
    end: int = -1
    rows_written: list[int] = field(default_factory=list)
    """Cycles of the last writes of its word rows in the normal memory."""


@dataclass
class Plan:
    """Everything that is due, by cycle."""

    windows: list[Window] = field(default_factory=list)
    pushes: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    norm_writes: dict[int, tuple[int, int, IntArray]] = field(default_factory=dict)
    """Word, bank and data of layer norms' parameters."""
    writes: dict[int, Write] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    stores: dict[int, tuple[str, int, IntArray]] = field(default_factory=dict)
    """Cycles in which a word is offered: its name, address and data."""
    reads: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """Words read, by memory."""


class Planner:
    """Walks through the instructions as the sequencer does."""

    def __init__(self, config: ArrayConfig, conditions: Conditions) -> None:
        self._word = config.word_bytes
        self._lanes = config.vector_lanes
        self._store_bytes = config.store_bytes
        self._norm_rows = config.norm_rows
        self._conditions = conditions
        self._drain = STAGES + (self._lanes - 1).bit_length()
        self._plan = Plan()

    def plan(self, works: Sequence[Work]) -> Plan:
        """When every instruction comes and what it does."""
        plan, norms = self._plan, 0
        norm_ends = [-1, -1]
        for number, work in enumerate(works):
            windows = plan.windows
            push = windows[-1].push + 1 if windows else 0
            if len(windows) >= PLACES:
                push = max(push, windows[-PLACES].end + 1)
            if work.params is not None:
                start = max(push, norm_ends[norms % 2] + 1)
                push = self._load_params(work.params, norms % 2, start)
            push += int(self._conditions.gap[number])
            windows.append(Window(push))
            plan.pushes[push] = number
            start = max(push + 1, windows[-2].end + 1 if number else 0)
            end = self._run(work, start)
            windows[-1].end = end
            plan.ends[end] = number
            if work.params is not None:
                norm_ends[norms % 2] = end
                norms += 1
        return plan

    def _load_params(self, params: tuple[IntArray, IntArray], half: int, cycle: int) -> int:
        """A word a cycle; the cycle after the last."""
        gains, offsets = params
        for row, (gain, offset) in enumerate(zip(gains, offsets, strict=True)):
            halves = np.stack([offset & 0xFFFF, offset >> 16], axis=1).reshape(2, self._word)
            for bank, data in enumerate((gain, *halves)):
                self._plan.norm_writes[cycle] = (row + half * self._norm_rows, bank, data)
                cycle += 1
        return cycle

    def _run(self, work: Work, start: int) -> int:
        """The last cycle of an instruction that starts in this one."""
        instruction = work.instruction
        if instruction.opcode == OPCODES["STORE"]:
            return self._store(work, start + 1)
        cycle = start + 1
        for name in _PASSES[_NAMES[instruction.opcode]]:
            if name in ("factor", "recip", "weight"):
                for _ in range(1 if name == "recip" else instruction.tokens):
                    cycle = self._granted(cycle) + 1
                cycle += self._drain if name == "weight" else FACTOR_DRAIN
                continue
            for row in range(instruction.rows):
                for part in range(self._word // self._lanes):
                    cycle = self._row(work, name, row, part, cycle)
            cycle += self._drain
        return cycle - 1

    def _granted(self, cycle: int) -> int:
        while not self._conditions.grant[cycle]:
            cycle += 1
        return cycle

    def _start_row(self, work: Work, name: str, row: int, cycle: int) -> int:
        """Wait for what the row touches; the cycle after."""
        i, conditions = work.instruction, self._conditions
        sums = i.in_addr + row * i.in_stride if i.sums else None
        if reads_second(i):
            sums = i.operand + row * i.second_stride
        to_normal = work.memory == "normal" and name in ("norm", "share")
        normal = i.out_addr + row * i.out_stride if to_normal else None
        while True:
            waits = sums is not None and bool(conditions.sums_hazard[cycle])
            waits |= normal is not None and bool(conditions.normal_hazard[cycle])
            place = f"{work}, {name}, row {row}"
            self._plan.rows[cycle] = Row(place, sums, normal, i.tokens, waits)
            cycle += 1
            if not waits:
                return cycle

    def _read(self, i: Instruction, row: int, token: int, cycle: int) -> None:
        reads = self._plan.reads[cycle]
        reads["sums" if i.sums else "residual"] = i.in_addr + row * i.in_stride + token
        if reads_second(i):
            reads["sums"] = i.operand + row * i.second_stride + token

    def _row(self, work: Work, name: str, row: int, part: int, cycle: int) -> int:
        """All tokens of a slice; the cycle after the last."""
        i = work.instruction
        cycle = self._start_row(work, name, row, cycle)
        last_part = part == self._word // self._lanes - 1
        if name == "select":
            return self._select(work, row, part, cycle)
        for token in range(max(i.tokens, MIN_ROW)):
            cycle = self._granted(cycle)
            if token < i.tokens:
                self._read(i, row, token, cycle)
                written = self._write(work, name, row, part, token, cycle)
                if written and last_part and token + 1 == i.tokens and work.memory == "normal":
                    self._plan.windows[-1].rows_written.append(written)
            cycle += 1
        return cycle

    def _select(self, work: Work, row: int, part: int, cycle: int) -> int:
        """The kept tokens of a slice, then the package; the cycle after the last."""
        i, kept = work.instruction, work.kept
        place = 0
        for token in range(i.tokens + PACKAGE_GAP + 1):
            cycle = self._granted(cycle)
            if token < i.tokens:
                self._read(i, row, token, cycle)
            stays = kept[token] if token < i.tokens else token == i.tokens + PACKAGE_GAP
            if stays and not (token >= i.tokens and kept.all()):
                self._write(work, "select", row, part, place, cycle)
                place += 1
            cycle += 1
        return cycle

    def _write(
        self, work: Work, name: str, row: int, part: int, token: int, cycle: int
    ) -> int | None:
        """Note the write of a step, if there is one; its cycle."""
        i = work.instruction
        if work.results is None or name in ("max", "sum"):
            return None
        cycle += ADD_STAGES if name in ("add", "select") else STAGES
        data = work.results[row, token, part * self._lanes : (part + 1) * self._lanes]
        place = f"{work}, row {row}, token {token}, slice {part}"
        addr = i.out_addr + row * i.out_stride + token
        self._plan.writes[cycle] = Write(place, work.memory, addr, part, data)
        return cycle

    def _store(self, work: Work, cycle: int) -> int:
        i, conditions = work.instruction, self._conditions
        assert work.results is not None
        addr = i.out_addr
        for row in range(i.rows):
            cycle = self._start_row(work, "store", row, cycle)
            for token in range(i.tokens):
                self._read(i, row, token, cycle)
                cycle += 1
                offer = (f"{work}, row {row}, token {token}", addr, work.results[row, token])
                while not conditions.store_ready[cycle]:
                    self._plan.stores[cycle] = offer
                    cycle += 1
                self._plan.stores[cycle] = offer
                addr += self._store_bytes
                cycle += 1
        while conditions.store_busy[cycle]:
            cycle += 1
        return cycle
