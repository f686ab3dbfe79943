"""One measurement: a program, an image, the machine, and everything that comes of it."""

from __future__ import annotations

import platform
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.ir import Network
from hw.program.compiler import Program
from sim.cycles import CycleModel, NetworkCycles
from sim.images import InputImage
from sim.machine.build import build_machine, network_bench
from sim.machine.run import Case, Conditions, Outcome, run_cases
from sim.reference import execute

FORMAT_VERSION = 1
_PACKAGES = ("cocotb", "numpy", "numba", "torch", "timm")


@dataclass(frozen=True)
class Measurement:
    """What a simulation found."""

    network: Network
    program: Program
    image: InputImage
    conditions: Conditions
    outcome: Outcome
    model: NetworkCycles
    checksums: dict[str, str]
    """CRC-32 of every operation's result, as `checksum` computes it."""
    prediction: int
    build_seconds: float
    wall_seconds: float
    verilator: str

    @property
    def difference(self) -> str | None:
        """The first wrong value, or None when every bit is right."""
        found = self.outcome.difference
        return None if found is None else str(found)

    @property
    def model_difference(self) -> str | None:
        """The first step whose cycles are not the cycle model's, or None.

        The model holds while memory answers at its stated latency, so not with random stalls.
        """
        if self.conditions.stall_percent or self.difference:
            return None
        for step in self._steps():
            measured = step["end_cycle"] - step["start_cycle"]
            if measured != step["cycles_model"]:
                where = step["ops"][0] if step["ops"] else "the end of the program"
                return (
                    f"{where} took {measured} cycles, the cycle model says {step['cycles_model']}"
                )
        return None

    def to_dict(self) -> dict[str, Any]:
        """The contents of `cycles.json`."""
        config = self.program.schedule.config
        outcome, exact = self.outcome, self.difference is None
        steps = self._steps()
        on_array = {
            self.network.ops[step.ops[0]].name: found["end_cycle"] - found["start_cycle"]
            for step, found in zip(self.program.schedule.steps, steps, strict=False)
            if step.on_array
        }
        return {
            "format": FORMAT_VERSION,
            "model": self.network.model,
            "total_cycles": outcome.total_cycles if exact else None,
            "bit_exact": exact,
            "difference": self.difference,
            "cycles_model": self.model.total,
            "model_difference": self.model_difference,
            "by_op": on_array,
            "steps": steps,
            "checksums": self.checksums,
            "config": asdict(config),
            "config_digest": config.digest(),
            "conditions": asdict(self.conditions),
            "image": {
                "source": self.image.source,
                "label": self.image.label,
                "prediction": self.prediction,
            },
            "seconds": round(outcome.seconds, 3),
            "khz": round(outcome.total_cycles / outcome.seconds / 1e3, 1),
            "build_seconds": round(self.build_seconds, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "tools": tool_versions(self.verilator),
        }

    def _steps(self) -> list[dict[str, Any]]:
        """Every step that ended, with its cycles by kind, from 0; `end_cycle` is exclusive."""
        by_id = {instruction.id: instruction for instruction in self.outcome.instructions}
        steps: list[dict[str, Any]] = []
        start = 0
        for step, predicted in zip(self.program.schedule.steps, self.model.by_step, strict=True):
            if step.instructions[-1].id not in by_id:
                break
            measured = [by_id[instruction.id] for instruction in step.instructions]
            end = measured[-1].end_cycle + 1
            kinds = {kind: sum(m.kinds[kind] for m in measured) for kind in measured[0].kinds}
            steps.append(
                {
                    "ops": [self.network.ops[index].name for index in step.ops],
                    "on_array": step.on_array,
                    "start_cycle": start,
                    "end_cycle": end,
                    "kinds": kinds,
                    "cycles_model": predicted,
                }
            )
            start = end
        return steps


def checksum(values: NDArray[np.integer]) -> str:
    """CRC-32 of a tensor (tokens, features), row by row, little-endian; 8 hex digits."""
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return f"{zlib.crc32(data):08x}"


def tool_versions(verilator: str) -> dict[str, str]:
    """Versions of everything that a figure may depend on."""
    versions = {"python": platform.python_version(), "verilator": verilator}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


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
    """Run one image on the simulated machine.

    Raises:
        UserError: when tools are missing, the build fails or the simulator dies.
    """
    started = time.monotonic()
    bench = network_bench(program.schedule.config, program.stream.size)
    machine = build_machine(bench, waves=waves is not None)
    build_seconds = time.monotonic() - started
    tensors = execute(network, image.patches)
    model = CycleModel(network, program.schedule.config).evaluate(program.kept)
    case = Case(network, program, tensors, conditions, model.total)
    outcome = run_cases([case], machine, progress, waves)[0]
    return Measurement(
        network=network,
        program=program,
        image=image,
        conditions=conditions,
        outcome=outcome,
        model=model,
        checksums=_checksums(network, tensors),
        prediction=int(tensors[network.output][0].argmax()),
        build_seconds=build_seconds,
        wall_seconds=time.monotonic() - started,
        verilator=machine.toolchain.version,
    )
