"""Reading `cycles.json` and holding it to what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.artifacts import read_json
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.program.files import network_digest
from sim.measure import FORMAT_VERSION

_REMEDY = "run `python -m sim run` again"


@dataclass(frozen=True)
class Step:
    """Cycles of one array operation, of neighbouring host operations, or of the program's end."""

    ops: tuple[str, ...]
    on_array: bool
    start_cycle: int
    end_cycle: int
    kinds: dict[str, int]
    cycles_model: int

    @property
    def cycles(self) -> int:
        return self.end_cycle - self.start_cycle


@dataclass(frozen=True)
class Measured:
    """A whole, bit-exact measurement of the network beside it."""

    config: ArrayConfig
    steps: tuple[Step, ...]
    total_cycles: int
    checksums: dict[str, str]
    entry: dict[str, Any]
    """The file as it is."""


def read_measured(folder: Path) -> Measured:
    """The measurement in `folder`.

    Raises:
        UserError: it is missing or damaged, stopped at a wrong value, is of another network, or its
            cycles do not add up.
    """
    path = folder / "cycles.json"
    entry = read_json(path, "measured cycles", _REMEDY)
    if not isinstance(entry, dict) or entry.get("format") != FORMAT_VERSION:
        raise UserError(f"{path}: not a measurement of format {FORMAT_VERSION}; {_REMEDY}")
    if not entry.get("bit_exact"):
        raise UserError(f"{path}: stopped at a wrong value ({entry.get('difference')}); {_REMEDY}")
    if entry.get("network_digest") != network_digest(folder):
        raise UserError(f"{path}: measured on another network than the one beside it; {_REMEDY}")
    try:
        steps = tuple(Step(**{**step, "ops": tuple(step["ops"])}) for step in entry["steps"])
        measured = Measured(
            ArrayConfig.from_dict(entry["config"]),
            steps,
            entry["total_cycles"],
            entry["checksums"],
            entry,
        )
        _check_sums(path, measured)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}); {_REMEDY}") from error
    return measured


def _check_sums(path: Path, measured: Measured) -> None:
    end = 0
    for step in measured.steps:
        name = step.ops[0] if step.ops else "end"
        if step.start_cycle != end:
            raise UserError(f"{path}: {name} starts at {step.start_cycle}, expected {end}")
        end = step.end_cycle
        if sum(step.kinds.values()) != step.cycles:
            raise UserError(
                f"{path}: the kinds of {name} sum to {sum(step.kinds.values())} cycles, "
                f"expected {step.cycles}; {_REMEDY}"
            )
    if end != measured.total_cycles:
        raise UserError(
            f"{path}: the steps sum to {end} cycles, expected {measured.total_cycles}; {_REMEDY}"
        )
