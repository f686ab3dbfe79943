"""Running programs on the simulated machine, and what comes back."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.errors import UserError
from hw.ir import Network
from hw.program.compiler import Program
from hw.program.isa import ERROR_MEANINGS, ERRORS
from sim.live import counted
from sim.machine.build import Machine, build_machine, network_bench
from sim.machine.exchange import (
    Writes,
    array_writes,
    read_result,
    result_beats,
    vector_writes,
    write_case,
)
from sim.machine.simulator import simulate

CYCLE_KINDS = (
    "control",
    "compute",
    "weight_wait",
    "input_wait",
    "output_wait",
    "fill_drain",
    "vector",
    "selector",
)
"""Counters of the core, in the order of `core_pkg::cycle_kind_e`."""

FAILURES = {
    1: "wrong value",
    2: "write that is not due",
    3: "results missing",
    4: "too many cycles",
}
NEVER = 0xFFFFFFFF
BEATS_EVERY = 1024
"""Cycles, as in `blockvit_sim.sv`."""
_PORTS = ("the array", "the vector unit")


@dataclass(frozen=True)
class Conditions:
    """How memory and handshakes behave."""

    latency: int | None = None
    """Cycles from an accepted read address to its first beat; None: as configured."""
    stall_percent: int = 0
    """Chance that a handshake waits a cycle."""
    seed: int = 1
    fail_read: int = NEVER
    """Byte address of the beat that answers with an error."""
    fail_write: int = 0
    """1: stored words answer with an error."""
    silent_from: int = NEVER
    """Cycle from which on memory answers nothing."""


@dataclass(frozen=True)
class InstructionCycles:
    """Cycles of one instruction, from 0 on, the last included.

    `kinds` counts the cycles that are this instruction's alone. An instruction of the array starts
    with its first block; its count begins with the end of the one before.
    """

    id: int
    start_cycle: int
    end_cycle: int
    kinds: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.kinds.values())


@dataclass(frozen=True)
class Difference:
    """The first value that the machine got wrong."""

    reason: str
    tensor: str
    token: int
    feature: int
    expected: int
    actual: int
    cycle: int

    def __str__(self) -> str:
        place = f"{self.tensor}[token {self.token}, feature {self.feature}]"
        values = f"expected {self.expected}, actual {self.actual}"
        return f"{self.reason} at cycle {self.cycle}: {place}, {values}"


@dataclass(frozen=True)
class MachineError:
    """What the error register says."""

    code: int
    id: int
    """The instruction that was being loaded."""

    @property
    def reason(self) -> str:
        names = {code: ERROR_MEANINGS[name] for name, code in ERRORS.items()}
        return names.get(self.code, f"error {self.code}")

    def __str__(self) -> str:
        return f"the machine stopped: {self.reason}, while it loaded instruction {self.id}"


@dataclass(frozen=True)
class Outcome:
    """One image through the machine."""

    array: list[InstructionCycles]
    """Instructions of the array and the end of the program; their windows follow each other."""
    vector: list[InstructionCycles]
    """Instructions of the vector unit, which overlap with those of the array."""
    tiles: list[tuple[int, int]]
    """First and last cycle of the writes of every output tile, in order."""
    waits: list[tuple[str, int, int]]
    """Long stretches of one kind of cycle other than compute: kind, first and last cycle."""
    beats: list[int]
    """Beats that memory gave in every `BEATS_EVERY` cycles, the last time less."""
    total_cycles: int
    seconds: float
    difference: Difference | None
    error: MachineError | None
    result: NDArray[np.int16] | None
    """The network's output in DRAM (tokens, features), once the program has ended."""


@dataclass(frozen=True)
class Case:
    """A network, its program, and the reference's tensors for one image."""

    network: Network
    program: Program
    tensors: dict[str, NDArray[np.integer]]
    conditions: Conditions = Conditions()
    expected_cycles: int = 0
    """The cycle model's prediction; 0 when there is none."""
    label: str = ""
    """What progress calls it."""


@contextmanager
def _work_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="blockvit-"))
    try:
        yield folder
    except OSError as error:
        raise UserError(
            f"{folder}: the simulation's files cannot be written ({error.strerror}); "
            "free space or set TMPDIR"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def case_settings(case: Case) -> dict[str, Any]:
    """What Python sets in the simulation before a case, and what it shows meanwhile."""
    config, program = case.program.schedule.config, case.program
    return {
        "settings": {
            **asdict(case.conditions),
            "latency": case.conditions.latency or config.mem_latency,
            "beat_interval": config.mem_interval,
            "image_beats": program.image_beats,
            "program_base": program.base,
            "program_beats": program.beats,
            "result_base": program.result_base,
            "result_beats": result_beats(program),
            "max_cycles": 40 * case.expected_cycles + 5_000_000,
        },
        "expected_cycles": case.expected_cycles,
        "label": case.label or case.network.model,
    }


def run_cases(
    cases: Sequence[Case],
    machine: Machine | None = None,
    progress: bool = False,
    waves: Path | None = None,
) -> list[Outcome]:
    """Run cases of one configuration, one after the other, in one simulation.

    Args:
        machine: a build to run on; by default the cached one of the configuration.
        progress: show cycles done, kHz and time left on the terminal.
        waves: where to leave an FST file.

    Raises:
        UserError: when tools are missing, the build fails or the simulator dies.
    """
    config = cases[0].program.schedule.config
    if machine is None:
        size = max(case.program.dram_bytes for case in cases)
        machine = build_machine(network_bench(config, size), waves=waves is not None)
    with _work_folder() as folder:
        entries = []
        for number, case in enumerate(cases):
            assert case.program.schedule.config == config
            write_case(folder, number, case.network, case.program, case.tensors)
            entries.append(case_settings(case))
        manifest = {"progress": progress, "cases": entries}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        simulate(
            machine,
            "sim.machine.cocotb_entry",
            folder,
            plusargs=[f"+dir={folder}"],
            env={"BLOCKVIT_MANIFEST": str(folder / "manifest.json")},
            waves=waves,
        )
        outcomes = json.loads((folder / "outcomes.json").read_text())
        return [
            _outcome(case, entry, folder, number)
            for number, (case, entry) in enumerate(zip(cases, outcomes, strict=True))
        ]


def _outcome(case: Case, entry: dict[str, Any], folder: Path, number: int) -> Outcome:
    units: dict[str, list[InstructionCycles]] = {"a": [], "v": []}
    tiles, waits, beats = [], [], []
    for line in (folder / f"{number}.log").read_text().splitlines():
        unit, *fields = line.split()
        values = [int(field) for field in fields]
        if unit == "o":
            tiles.append((values[0], values[1]))
        if unit == "w":
            waits.append((CYCLE_KINDS[values[0]], values[1], values[2]))
        if unit == "m":
            beats.append(values[0])
        if unit not in units:
            continue
        kinds = dict(zip(CYCLE_KINDS, values[3:], strict=True))
        units[unit].append(InstructionCycles(values[0], values[1], values[2], kinds))
    error = MachineError(int(entry["error"]), int(entry["error_id"])) if entry["error"] else None
    difference = _difference(case, entry) if entry["failure"] else None
    result = None
    if error is None and difference is None:
        result = read_result(folder / f"{number}.result", case.network, case.program)
        difference = _result_difference(case, result, int(entry["cycle"]))
    return Outcome(
        array=units["a"],
        vector=units["v"],
        tiles=tiles,
        waits=waits,
        beats=beats,
        total_cycles=sum(i.total for unit in units.values() for i in unit),
        seconds=float(entry["seconds"]),
        difference=difference,
        error=error,
        result=result,
    )


def _result_difference(case: Case, result: NDArray[np.int16], cycle: int) -> Difference | None:
    name = case.network.output
    expected = case.tensors[name]
    wrong = np.argwhere(result != expected)
    if not len(wrong):
        return None
    token, feature = (int(i) for i in wrong[0])
    values = int(expected[token, feature]), int(result[token, feature])
    return Difference("wrong value in DRAM", name, token, feature, *values, cycle)


def _nth_write(writes: Iterator[Writes], number: int) -> tuple[Writes, int] | None:
    """The instruction of a write, and the number of the write in it."""
    for entry in writes:
        if number < entry.count:
            return entry, number
        number -= entry.count
    return None


def _difference(case: Case, entry: dict[str, Any]) -> Difference:
    config, port = case.program.schedule.config, int(entry["port"])
    reason = f"{FAILURES[int(entry['failure'])]} of {_PORTS[port]}"
    writes_of = array_writes if port == 0 else vector_writes
    due = writes_of(case.network, case.program, counted(case.network, case.tensors))
    found = _nth_write(due, int(entry["number"]))
    cycle = int(entry["cycle"])
    if found is None or found[0].entry.output is None:
        return Difference(reason, f"word {entry['address']}", -1, -1, 0, 0, cycle)
    writes, number = found
    name = found[0].entry.output
    _, row, part = writes.rows[number // writes.tokens]
    token = writes.entry.first_token + number % writes.tokens
    lanes = config.cols if port == 0 else config.vector_lanes
    expected, actual = (_lanes(int(str(entry[key]), 16), lanes) for key in ("expected", "actual"))
    lane = next((i for i in range(lanes) if expected[i] != actual[i]), 0)
    placement = case.program.schedule.placements[name]
    feature = placement.feature(row, part * lanes + lane, config.word_bytes)
    values = expected[lane], actual[lane]
    return Difference(reason, name, token, -1 if feature is None else feature, *values, cycle)


def _lanes(word: int, lanes: int) -> list[int]:
    """The int16 lanes of a word."""
    values = [word >> 16 * lane & 0xFFFF for lane in range(lanes)]
    return [value - 65536 if value > 32767 else value for value in values]
