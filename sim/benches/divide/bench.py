"""Roots and quotients: all small ones, the edges of large ones, random ones, against Python."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

import cocotb

from sim.benches.common.check import check
from sim.benches.common.cycles import Cycles
from sim.benches.common.settings import Settings

RANDOM = 600
ROOT_BITS = 16
QUOTIENT_BITS, DIVISOR_BITS = 25, 28
SMALL_BITS = 4


async def pass_through(
    dut: Any, unit: str, stages: int, samples: Sequence[tuple[int, ...]], results: Sequence[int]
) -> None:
    """Pass operands through a unit, one sample a cycle, and check all results.

    Args:
        unit: `root` or `quotient`, with `small_` before it.
        stages: cycles from the operands to the result.
        samples: x, or x and d.
    """
    cycles = Cycles(dut)
    ports = [getattr(dut, f"{unit}_{name}_i") for name in ("x", "d")[: len(samples[0])]]
    result = getattr(dut, f"{unit}_o")
    await cycles.reset(has_reset=False)
    for number in range(len(samples) + stages):
        if number < len(samples):
            for port, value in zip(ports, samples[number], strict=True):
                port.value = value
        await cycles.settle()
        done = number - stages
        if done >= 0:
            check(f"{unit}[{samples[done]}]", results[done], int(result.value), cycles.count)
        await cycles.start()


def _roots() -> list[int]:
    """Squares and what lies beside them, of edges and at random; smaller numbers as well."""
    rng = Settings.from_env().generator()
    roots = [*range(20), *((1 << bits) + d for bits in range(5, 17) for d in (-1, 0, 1))]
    roots += rng.integers(1 << ROOT_BITS, size=RANDOM // 3).tolist()
    values = [root * root + d for root in roots for d in (-1, 0, 1)]
    values += (rng.integers(1 << 32, size=RANDOM) >> rng.integers(32, size=RANDOM)).tolist()
    values += [(1 << 32) - 1, 1 << 30, (1 << 30) - 1, 1 << 31]
    return [value for value in values if 0 <= value < 1 << 2 * ROOT_BITS]


def _quotients() -> list[tuple[int, int]]:
    """Multiples of divisors and what lies beside them; the largest quotients and divisors."""
    rng = Settings.from_env().generator()
    largest, top = (1 << QUOTIENT_BITS) - 1, (1 << DIVISOR_BITS) - 1
    divisors = [1, 2, 3, 1 << 15, (1 << 15) + 1, (1 << 16) - 1, 1 << 27, top - 1, top]
    divisors += (
        rng.integers(1, top + 1, RANDOM) >> rng.integers(DIVISOR_BITS, size=RANDOM)
    ).tolist()
    samples = []
    for divisor in filter(None, divisors):
        for quotient in (0, 1, int(rng.integers(largest)), largest):
            x = quotient * divisor
            samples += [(x, divisor), (x + divisor - 1, divisor), (max(x - 1, 0), divisor)]
    return samples


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def all_small_roots(dut: Any) -> None:
    """Of every number of 8 bits."""
    samples = [(x,) for x in range(1 << 2 * SMALL_BITS)]
    await pass_through(dut, "small_root", SMALL_BITS, samples, [isqrt(x) for (x,) in samples])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def all_small_quotients(dut: Any) -> None:
    """Of every pair whose quotient fits 4 bits."""
    samples = [(x, d) for d in range(1, 1 << SMALL_BITS) for x in range(d << SMALL_BITS)]
    samples = [(x, d) for x, d in samples if x < 1 << 2 * SMALL_BITS]
    results = [x // d for x, d in samples]
    await pass_through(dut, "small_quotient", SMALL_BITS, samples, results)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def large_roots(dut: Any) -> None:
    """Squares, their neighbours, random numbers of every length."""
    samples = [(x,) for x in _roots()]
    await pass_through(dut, "root", ROOT_BITS, samples, [isqrt(x) for (x,) in samples])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def large_quotients(dut: Any) -> None:
    """Multiples, their neighbours, random divisors of every length."""
    samples = _quotients()
    await pass_through(dut, "quotient", QUOTIENT_BITS, samples, [x // d for x, d in samples])
