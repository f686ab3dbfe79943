"""What the netlist of the machine may not contain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hw.config import ArrayConfig
from hw.synth.memories import Memory
from hw.synth.resources import Resources

ARRAY = "systolic_array"
BLOCK_RAM_KINDS = ("memory", "accumulator")
"""Modules with one of these in their name keep their words in block RAM."""
LARGE_BITS = 1 << 16
"""So do all others from this size on: 64 Kbit, two block RAMs, would be 1024 look-up tables."""


@dataclass(frozen=True)
class Part:
    """A kind of module in a design."""

    name: str
    kind: str
    path: str
    """Its first instance."""
    instances: int
    own: Resources
    """One instance, without the modules below it."""
    whole: Resources
    """One instance, with them."""
    soft_multipliers: int
    memories: Sequence[Memory]


def problems(parts: Sequence[Part], config: ArrayConfig) -> list[str]:
    """A line for everything that breaks a rule; empty for a netlist as it should be."""
    checks: tuple[Callable[[Part, ArrayConfig], Iterator[str]], ...] = (
        _latches,
        _soft_multipliers,
        _memories,
        _array_dsps,
    )
    return [line for check in checks for part in parts for line in check(part, config)]


def _latches(part: Part, config: ArrayConfig) -> Iterator[str]:
    if part.own.latch:
        yield (
            f"{part.kind}: {part.own.latch} bits became latches, expected none; "
            "assign the signal on every path of its always_comb"
        )


def _soft_multipliers(part: Part, config: ArrayConfig) -> Iterator[str]:
    if part.soft_multipliers:
        yield (
            f"{part.kind}: {part.soft_multipliers} multipliers or dividers outside of DSPs, "
            "expected none; widen the operands or multiply by shifting"
        )


def _memories(part: Part, config: ArrayConfig) -> Iterator[str]:
    by_kind = any(word in part.kind for word in BLOCK_RAM_KINDS)
    for memory in part.memories:
        if memory.form not in ("BRAM", "URAM") and (by_kind or memory.bits >= LARGE_BITS):
            yield (
                f"{part.kind}.{memory.name}: {memory.bits} bits became {memory.form}, expected "
                'block RAM; register its read data and mark it (* ram_style = "block" *)'
            )


def _array_dsps(part: Part, config: ArrayConfig) -> Iterator[str]:
    expected = config.pes // 2 if config.dsp_pack else config.pes
    if part.kind == ARRAY and part.whole.dsp > expected:
        yield (
            f"{part.kind}: {part.whole.dsp} DSPs for {config.rows}x{config.cols} elements, "
            f"expected at most {expected}; narrow the operands of pe_row's products"
        )
