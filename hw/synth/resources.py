"""What a netlist takes of an UltraScale+ device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from fnmatch import fnmatchcase

# LUTs that a primitive occupies as memory or as a shift register (UG574, UG974).
_LUTS_AS_MEMORY = {
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
}
_PATTERNS = {
    "lut": ("LUT[1-6]", "LUT6_2"),
    "ff": ("FD?E",),
    "dsp": ("DSP48E*",),
    "uram": ("URAM288*",),
    "carry": ("CARRY4",),
    "latch": ("LD?E", "$dlatch*", "$adlatch*", "$sr", "$dlatchsr*", "$_DLATCH*", "$_SR_*"),
}


@dataclass(frozen=True)
class Resources:
    """Sums over a netlist. A 18 Kbit block RAM is half a `bram`."""

    lut: int = 0
    """Look-up tables used as logic."""
    lutram: int = 0
    """Look-up tables used as memory or shift registers."""
    ff: int = 0
    dsp: int = 0
    bram: float = 0
    """Block RAMs of 36 Kbit."""
    uram: int = 0
    carry: int = 0
    """CARRY4 primitives: four bits of a carry chain."""
    latch: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Resources:
        return Resources(*(times * value for value in astuple(self)))


NAMES = tuple(field.name for field in fields(Resources))


def count(cells: Mapping[str, int]) -> Resources:
    """Resources of cells, given their number by type; multiplexers and inverters are free."""
    sums = {name: _number(cells, patterns) for name, patterns in _PATTERNS.items()}
    lutram = sum(_LUTS_AS_MEMORY.get(kind, 0) * number for kind, number in cells.items())
    bram = _number(cells, ("RAMB36*",)) + _number(cells, ("RAMB18*",)) / 2
    return Resources(lutram=lutram, bram=bram, **sums)


def _number(cells: Mapping[str, int], patterns: Iterable[str]) -> int:
    return sum(
        number
        for kind, number in cells.items()
        if any(fnmatchcase(kind, pattern) for pattern in patterns)
    )
