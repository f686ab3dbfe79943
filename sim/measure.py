"""Measurements: a program, images, the machine, and everything that comes of each of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.ir import Network
from hw.program.compiler import Program
from sim.activity import END
from sim.cycles import CycleModel, NetworkCycles
from sim.images import InputImage
from sim.live import LiveProgram, counted
from sim.machine.build import build_machine, network_bench
from sim.machine.run import BEATS_EVERY, Case, Conditions, InstructionCycles, Outcome, run_cases
from sim.provenance import checksum, tool_versions
from sim.reference import execute

FORMAT_VERSION = 3
IMAGES_AT_ONCE = 4
"""Images whose tensors are in memory, and whose files on disk, at a time."""


@dataclass(frozen=True)
class Measurement:
    """What a simulation found."""

    network: Network
    program: Program
    image: InputImage
    conditions: Conditions
    outcome: Outcome
    model: NetworkCycles
    live: dict[str, int]
    """Tokens that came out of every `TokenSelect`, its package token included."""
    checksums: dict[str, str]
    """CRC-32 of every operation's result, as `checksum` computes it."""
    prediction: int
    build_seconds: float
    wall_seconds: float
    verilator: str

    @property
    def error(self) -> str | None:
        """What the error register says, or None."""
        found = self.outcome.error
        return None if found is None else str(found)

    @property
    def difference(self) -> str | None:
        """The first wrong value, or None when every bit is right."""
        found = self.outcome.difference
        return None if found is None else str(found)

    @property
    def exact(self) -> bool:
        """The program ended, and every bit that it wrote is right."""
        return self.error is None and self.difference is None

    @property
    def model_difference(self) -> str | None:
        """The first instruction whose cycles are not the cycle model's, or None.

        The model holds while memory answers at its stated latency, so not with random stalls.
        """
        if self.conditions.stall_percent or not self.exact:
            return None
        problems = [
            (found.id, f"ends at cycle {found.end_cycle}", self.model.array_ends[found.id])
            for found in self.outcome.array
            if found.end_cycle != self.model.array_ends[found.id]
        ]
        for found, window in zip(self.outcome.vector, self.model.vector, strict=True):
            if found.start_cycle != window.start_cycle:
                problems.append(
                    (found.id, f"starts at cycle {found.start_cycle}", window.start_cycle)
                )
            elif found.end_cycle != window.end_cycle:
                problems.append((found.id, f"ends at cycle {found.end_cycle}", window.end_cycle))
        if not problems:
            return next(self._operation_differences(), None)
        number, measured, modelled = min(problems)
        return f"{self._owner(number)} {measured}, the cycle model says {modelled}"

    def _operation_differences(self) -> Iterator[str]:
        for entry in self._operations():
            if entry["name"] in self.model.by_op and entry["cycles"] != entry["cycles_model"]:
                yield (
                    f"{entry['name']} took {entry['cycles']} cycles, the cycle model says "
                    f"{entry['cycles_model']}"
                )

    def to_dict(self) -> dict[str, Any]:
        """What `cycles.json` says of this image."""
        config = self.program.schedule.config
        outcome = self.outcome
        return {
            "format": FORMAT_VERSION,
            "model": self.network.model,
            "total_cycles": outcome.total_cycles if self.exact else None,
            "bit_exact": self.exact,
            "error": self.error,
            "difference": self.difference,
            "cycles_model": self.model.total,
            "model_difference": self.model_difference,
            "operations": self._operations(),
            "live": self.live,
            "checksums": self.checksums,
            "config": asdict(config),
            "config_digest": config.digest(),
            "conditions": asdict(self.conditions),
            "image": self._image(),
            "seconds": round(outcome.seconds, 3),
            "khz": round(outcome.total_cycles / max(outcome.seconds, 1e-9) / 1e3, 1),
            "build_seconds": round(self.build_seconds, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "tools": tool_versions(self.verilator),
        }

    def image_entry(self) -> dict[str, Any]:
        """What differs from image to image, in short: an entry of `images` in `cycles.json`."""
        return {
            **self._image(),
            "total_cycles": self.outcome.total_cycles if self.exact else None,
            "cycles_model": self.model.total,
            "live": self.live,
            "cycles": {entry["name"]: entry["cycles"] for entry in self._operations()},
        }

    def _image(self) -> dict[str, Any]:
        image = self.image
        return {
            "source": image.source,
            "label": image.label,
            "prediction": self.prediction,
        }

    def timeline(self) -> dict[str, Any]:
        """The contents of `timeline.json`: when every unit worked on what, first and last cycle.

        Array and vector unit: [instruction, first, last]; output stage: [instruction, first, last]
        of an output tile's writes; waits: [kind, first, last] of long stretches without products;
        memory: beats read in every `interval` cycles. `owners` names the operation of every
        instruction.
        """
        entries = self.program.schedule.entries
        instructions = LiveProgram(self.network, self.program.schedule).instructions(self.live)
        tiles = [i.id for i in instructions for _ in range(i.tiles)]
        return {
            "format": FORMAT_VERSION,
            "total_cycles": self.outcome.total_cycles,
            "owners": [self._owner(number) for number in range(len(entries))],
            "array": [[i.id, i.start_cycle, i.end_cycle] for i in self.outcome.array],
            "vector": [[i.id, i.start_cycle, i.end_cycle] for i in self.outcome.vector],
            "output": [
                [number, *window] for number, window in zip(tiles, self.outcome.tiles, strict=False)
            ],
            "waits": [list(wait) for wait in self.outcome.waits],
            "memory": {"interval": BEATS_EVERY, "beats": self.outcome.beats},
        }

    def _owner(self, number: int) -> str:
        index = self.program.schedule.entries[number].op
        return END if index is None else self.network.ops[index].name

    def _operations(self) -> list[dict[str, Any]]:
        """Every operation in the order of the network, then the program's end.

        `kinds` are the cycles that are no other operation's, `cycles` their sum; `start_cycle` and
        `end_cycle` (exclusive) span all its instructions, `busy` counts the cycles in which one of
        them was at work.
        """
        array, vector = self.outcome.array, self.outcome.vector
        found: dict[str, list[InstructionCycles]] = {}
        for instruction in (*array, *vector):
            found.setdefault(self._owner(instruction.id), []).append(instruction)
        on_array = {self._owner(instruction.id) for instruction in array}
        at_end = self.model.total - sum(self.model.by_op.values())
        operations = []
        for name in (*(op.name for op in self.network.ops), END):
            parts = found.get(name, [])
            if not parts:
                continue
            kinds = {kind: sum(part.kinds[kind] for part in parts) for kind in parts[0].kinds}
            operations.append(
                {
                    "name": name,
                    "unit": "array" if name in on_array else "vector",
                    "kinds": kinds,
                    "cycles": sum(kinds.values()),
                    "cycles_model": self.model.by_op.get(name, at_end),
                    "start_cycle": min(part.start_cycle for part in parts),
                    "end_cycle": max(part.end_cycle for part in parts) + 1,
                    "busy": _busy(parts),
                }
            )
        return operations


def _busy(parts: Sequence[InstructionCycles]) -> int:
    """Cycles in which one of the instructions is at work."""
    busy, end = 0, -1
    for part in sorted(parts, key=lambda part: part.start_cycle):
        busy += max(part.end_cycle - max(part.start_cycle - 1, end), 0)
        end = max(end, part.end_cycle)
    return busy


def _checksums(network: Network, tensors: Mapping[str, NDArray[np.integer]]) -> dict[str, str]:
    return {op.name: checksum(tensors[op.output]) for op in network.ops}


def measure(
    network: Network,
    program: Program,
    image: InputImage,
    conditions: Conditions,
    progress: bool = False,
    waves: Path | None = None,
) -> Measurement:
    """Run one image on the simulated machine: see `measure_images`."""
    return next(measure_images(network, program, [image], conditions, progress, waves))


def measure_images(
    network: Network,
    program: Program,
    images: Sequence[InputImage],
    conditions: Conditions,
    progress: bool = False,
    waves: Path | None = None,
) -> Iterator[Measurement]:
    """Run images on the simulated machine, one after another, in one simulation a few of them.

    Raises:
        UserError: when tools are missing, the build fails or the simulator dies.
    """
    started = time.monotonic()
    config = program.schedule.config
    machine = build_machine(network_bench(config, program.dram_bytes), waves=waves is not None)
    build_seconds = time.monotonic() - started
    cycle_model = CycleModel(network, config)
    for first in range(0, len(images), IMAGES_AT_ONCE):
        cases, models = [], []
        for number, image in enumerate(images[first : first + IMAGES_AT_ONCE], first + 1):
            tensors = execute(network, image.patches)
            models.append(cycle_model.evaluate(program.kept, counted(network, tensors)))
            label = f"{network.model}, image {number} of {len(images)}" if images[1:] else ""
            cases.append(Case(network, program, tensors, conditions, models[-1].total, label))
        outcomes = run_cases(cases, machine, progress, waves)
        for number, (case, outcome, model) in enumerate(zip(cases, outcomes, models, strict=True)):
            yield Measurement(
                network=network,
                program=program,
                image=images[first + number],
                conditions=conditions,
                outcome=outcome,
                model=model,
                live=counted(network, case.tensors),
                checksums=_checksums(network, case.tensors),
                prediction=int(case.tensors[network.output][0].argmax()),
                build_seconds=build_seconds,
                wall_seconds=time.monotonic() - started,
                verilator=machine.toolchain.version,
            )
