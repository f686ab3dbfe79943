"""Running programs on the simulated machine, and what comes back."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.errors import UserError
from hw.ir import Network
from hw.program.compiler import Program
from hw.program.isa import OPCODES
from sim.machine.build import Machine, build_machine, network_bench
from sim.machine.exchange import host_turns, write_case
from sim.machine.simulator import simulate

CYCLE_KINDS = (
    "control",
    "compute",
    "weight_wait",
    "input_wait",
    "output_wait",
    "fill_drain",
)
"""Counters of the core, in the order of `core_pkg::cycle_kind_e`."""

FAILURES = {
    1: "wrong value",
    2: "write outside of what is due",
    3: "results missing",
    4: "too many cycles",
}


@dataclass(frozen=True)
class Conditions:
    """How memory and handshakes behave."""

    latency: int | None = None
    """Cycles from an accepted read address to its first beat; None: as configured."""
    stall_percent: int = 0
    """Chance that a handshake waits a cycle."""
    seed: int = 1


@dataclass(frozen=True)
class InstructionCycles:
    """Cycles of one instruction, by kind."""

    id: int
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
        values = f"expected byte {self.expected}, actual {self.actual}"
        return f"{self.reason} at cycle {self.cycle}: {place}, {values}"


@dataclass(frozen=True)
class Outcome:
    """One image through the machine."""

    instructions: list[InstructionCycles]
    total_cycles: int
    seconds: float
    difference: Difference | None


@dataclass(frozen=True)
class Case:
    """A network, its program, and the reference's tensors for one image."""

    network: Network
    program: Program
    tensors: dict[str, NDArray[np.integer]]
    conditions: Conditions = Conditions()
    expected_cycles: int = 0
    """The cycle model's prediction; 0 when there is none."""


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
        size = max(case.program.stream.size for case in cases)
        machine = build_machine(network_bench(config, size), waves=waves is not None)
    with _work_folder() as folder:
        entries = []
        for number, case in enumerate(cases):
            assert case.program.schedule.config == config
            write_case(folder, number, case.network, case.program, case.tensors)
            entries.append(
                {
                    **asdict(case.conditions),
                    "latency": case.conditions.latency or config.mem_latency,
                    "beats": case.program.beats,
                    "expected_cycles": case.expected_cycles,
                    "max_cycles": 40 * case.expected_cycles + 5_000_000,
                    "label": case.network.model,
                }
            )
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
            _outcome(case, entry, (folder / f"{number}.log").read_text())
            for number, (case, entry) in enumerate(zip(cases, outcomes, strict=True))
        ]


def _outcome(case: Case, entry: dict[str, int | float | str], log: str) -> Outcome:
    instructions = []
    for line in log.splitlines():
        number, end, *counts = (int(field) for field in line.split())
        kinds = dict(zip(CYCLE_KINDS, counts, strict=True))
        instructions.append(InstructionCycles(number, end, kinds))
    return Outcome(
        instructions=instructions,
        total_cycles=sum(i.total for i in instructions),
        seconds=float(entry["seconds"]),
        difference=_difference(case, entry, instructions) if entry["failure"] else None,
    )


def _difference(
    case: Case, entry: dict[str, int | float | str], done: list[InstructionCycles]
) -> Difference:
    config = case.program.schedule.config
    address, cycle = int(entry["address"]), int(entry["cycle"])
    reason = FAILURES[int(entry["failure"])]
    expected, actual = int(str(entry["expected"]), 16), int(str(entry["actual"]), 16)
    wrong = [
        lane
        for lane in range(config.word_bytes)
        if int(entry["slices"]) >> lane // config.cols & 1
        and (expected ^ actual) >> 8 * lane & 0xFF
    ]
    lane = wrong[0] if wrong else 0
    # Tensors due between the same two turns of the host do not share memory.
    hosts = {i.id for i in case.program.schedule.instructions if i.opcode == OPCODES["HOST"]}
    turn = host_turns(case.network, case.program)[sum(i.id in hosts for i in done)]
    name, found = f"word {address}", (-1, -1)
    for candidate in turn.expects:
        placement = case.program.schedule.placements[candidate]
        if placement.base <= address < placement.base + placement.words:
            name = candidate
            found = placement.locate(address, lane, config.word_bytes) or found

    def byte(word: int) -> int:
        value = word >> 8 * lane & 0xFF
        return value - 256 if value > 127 else value

    return Difference(reason, name, *found, byte(expected), byte(actual), cycle)
