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
class Operation:
    """Cycles of one operation, or of the program's end."""

    name: str
    unit: str
    kinds: dict[str, int]
    """Cycles that are no other operation's."""
    cycles: int
    cycles_model: int
    start_cycle: int
    end_cycle: int
    busy: int


@dataclass(frozen=True)
class ImageCycles:
    """What one image took."""

    total_cycles: int
    live: dict[str, int]
    """Tokens that came out of every token selection."""
    cycles: dict[str, int]
    """Of every operation."""


@dataclass(frozen=True)
class Measured:
    """A whole, bit-exact measurement of the network beside it."""

    config: ArrayConfig
    operations: tuple[Operation, ...]
    total_cycles: int
    checksums: dict[str, str]
    images: tuple[ImageCycles, ...]
    """Every image; the operations are the first one's."""
    entry: dict[str, Any]
    """The file as it is."""


def read_measured(folder: Path) -> Measured:
    """The measurement in `folder`.

    Raises:
        UserError: it is missing or damaged, not of a whole run, of another network, or its cycles
            do not add up.
    """
    path = folder / "cycles.json"
    entry = read_json(path, "measured cycles", _REMEDY)
    if not isinstance(entry, dict) or entry.get("format") != FORMAT_VERSION:
        raise UserError(f"{path}: not a measurement of format {FORMAT_VERSION}; {_REMEDY}")
    if not entry.get("bit_exact"):
        reason = entry.get("error") or entry.get("difference")
        raise UserError(f"{path}: not a whole run ({reason}); {_REMEDY}")
    if entry.get("network_digest") != network_digest(folder):
        raise UserError(f"{path}: measured on another network than the one beside it; {_REMEDY}")
    try:
        measured = Measured(
            ArrayConfig.from_dict(entry["config"]),
            tuple(Operation(**operation) for operation in entry["operations"]),
            entry["total_cycles"],
            entry["checksums"],
            tuple(
                ImageCycles(image["total_cycles"], image["live"], image["cycles"])
                for image in entry["images"]
            ),
            entry,
        )
        _check_sums(path, measured)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}); {_REMEDY}") from error
    return measured


def _check_sums(path: Path, measured: Measured) -> None:
    if not measured.images:
        raise UserError(f"{path}: no images; {_REMEDY}")
    names = [op.name for op in measured.operations]
    for number, image in enumerate(measured.images, 1):
        if list(image.cycles) != names or sum(image.cycles.values()) != image.total_cycles:
            raise UserError(
                f"{path}: the operations of image {number} are not those of the first, or do not "
                f"sum to its {image.total_cycles} cycles; {_REMEDY}"
            )
    for op in measured.operations:
        if sum(op.kinds.values()) != op.cycles:
            raise UserError(
                f"{path}: the kinds of {op.name} sum to {sum(op.kinds.values())} cycles, "
                f"expected {op.cycles}; {_REMEDY}"
            )
        if not 0 <= op.start_cycle <= op.end_cycle <= measured.total_cycles:
            raise UserError(
                f"{path}: {op.name} is at work from cycle {op.start_cycle} to {op.end_cycle} of "
                f"{measured.total_cycles}; {_REMEDY}"
            )
    found = sum(op.cycles for op in measured.operations)
    if found != measured.total_cycles:
        raise UserError(
            f"{path}: the operations sum to {found} cycles, expected {measured.total_cycles}; "
            f"{_REMEDY}"
        )
