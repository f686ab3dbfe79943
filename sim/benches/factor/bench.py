"""Reciprocals of layer norms and softmaxes, from the smallest to the largest sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from hw.integer import EPSILON_BITS, PROBABILITY_MULT_BITS
from sim.benches.common.check import check
from sim.benches.common.cycles import Cycles
from sim.benches.common.settings import Settings
from sim.benches.factor.sums import Norm, Softmax, Sums, norm_sums, softmax_sums, wide_sums

NORM_CYCLES, SOFTMAX_CYCLES = 46, 25
"""From a token's sums to its factor."""
PER_NORM = 40
GAP_CHANCE = 0.2
CHANNELS = (1, 2, 3, 48, 192, 1000, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096)
LARGEST_EPSILON = (1 << EPSILON_BITS) - 1
PROBABILITY_MULTS = (0, 1, 127 << 12, (1 << PROBABILITY_MULT_BITS) - 1)


def _operation_ports(dut: Any, operation: Norm | Softmax, rng: np.random.Generator) -> None:
    """Ports of the other operation carry noise."""
    dut.enable_i.value = 1
    dut.direct_i.value = int(isinstance(operation, Softmax))
    dut.channels_i.value = int(rng.integers(1 << 16))
    dut.epsilon_i.value = int(rng.integers(1 << EPSILON_BITS))
    dut.dividend_i.value = int(rng.integers(1 << PROBABILITY_MULT_BITS))
    if isinstance(operation, Softmax):
        dut.dividend_i.value = operation.probability_mult << 16
    else:
        dut.channels_i.value = operation.channels
        dut.epsilon_i.value = operation.epsilon


async def factors(
    dut: Any, cycles: Cycles, operation: Norm | Softmax, tokens: Sequence[Sums]
) -> None:
    """Pass the sums of tokens through the unit, with gaps, and check factor, shift and cycle."""
    settings = Settings.from_env()
    rng, depth = settings.generator(), settings.config.acc_depth
    stages = SOFTMAX_CYCLES if isinstance(operation, Softmax) else NORM_CYCLES
    dut.valid_i.value = 0
    _operation_ports(dut, operation, rng)
    await cycles.reset()
    waiting = list(enumerate(tokens))[::-1]
    due: dict[int, tuple[int, Sums]] = {}
    while waiting or due:
        cycle = cycles.count
        entry = waiting.pop() if waiting and rng.random() >= GAP_CHANCE else None
        dut.valid_i.value = int(entry is not None)
        number, (total, square) = entry or (int(rng.integers(depth)), (1, 1 << 20))
        dut.token_i.value = number % depth
        dut.total_i.value = total
        dut.square_i.value = square
        dut.divisor_i.value = square % (1 << 28)
        if entry is not None:
            due[cycle + stages] = entry
        await cycles.settle()
        _check(dut, operation, due.pop(cycle, None), depth, cycle)
        await cycles.start()


def _check(
    dut: Any, operation: Norm | Softmax, entry: tuple[int, Sums] | None, depth: int, cycle: int
) -> None:
    check(f"valid[{operation}]", int(entry is not None), int(dut.valid_o.value), cycle)
    if entry is None:
        return
    number, (total, square) = entry
    place = f"{operation}, token {number}, total {total}, square {square}"
    check(f"token[{place}]", number % depth, int(dut.token_o.value), cycle)
    expected = operation.expected(total, square)
    for name, value in zip(("factor", "shift", "centre"), expected, strict=True):
        if value is not None:
            check(f"{name}[{place}]", value, int(getattr(dut, f"{name}_o").value), cycle)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def norms_of_every_width(dut: Any) -> None:
    """Tokens of every magnitude, with small, random and the largest epsilon."""
    rng, cycles = Settings.from_env().generator(), Cycles(dut)
    for channels in CHANNELS:
        tokens = norm_sums(channels, rng, PER_NORM)
        for epsilon in (1, int(rng.integers(1, LARGEST_EPSILON)), LARGEST_EPSILON):
            await factors(dut, cycles, Norm(channels, epsilon), tokens)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def variances_around_powers_of_two(dut: Any) -> None:
    """From 1 to 2^44, and up to 2^56 with 4096 channels: the scaling's every case."""
    rng, cycles = Settings.from_env().generator(), Cycles(dut)
    await factors(dut, cycles, Norm(1, 1), wide_sums(rng, 1))
    for channels in (1024, 1025, 2048, 2049, 4096):
        await factors(dut, cycles, Norm(channels, 1), wide_sums(rng, 1))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def softmax_sums_of_every_size(dut: Any) -> None:
    """From one feature to 4096 equal ones."""
    rng, cycles = Settings.from_env().generator(), Cycles(dut)
    for mult in (*PROBABILITY_MULTS, int(rng.integers(1 << PROBABILITY_MULT_BITS))):
        await factors(dut, cycles, Softmax(mult), softmax_sums(rng, PER_NORM))
