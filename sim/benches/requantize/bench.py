"""Every shift, both widths, random and extreme numbers, against `hw.integer.requantize`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np

from hw.integer import MULTIPLIER_BITS, SHIFT_MAX, requantize
from sim.benches.common.check import check
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import unpack
from sim.benches.common.settings import Settings

NAMES = ("bias", "mult", "round", "shift")
"""The stages, a cycle each."""
STAGES = len(NAMES)
PER_SHIFT = 24
INT32 = 1 << 31
ACCUMULATORS = (-INT32, INT32 - 1, -1, 0, 1)
MULTIPLIERS = (0, 1, 1 << 15, (1 << 16) - 1)


@dataclass(frozen=True)
class Sample:
    """The operands of one result."""

    acc: int
    bias: int
    mult: int
    shift: int
    wide: bool

    def __str__(self) -> str:
        return (
            f"acc {self.acc}, bias {self.bias}, mult {self.mult}, shift {self.shift}, "
            f"{'int16' if self.wide else 'int8'}"
        )


class Model:
    """The integer semantics."""

    def result(self, sample: Sample) -> int:
        bits = 16 if sample.wide else 8
        return int(requantize(sample.acc, sample.bias, sample.mult, sample.shift, bits))


class Driver:
    """Gives the stages their operands; a stage without a sample gets noise.

    Args:
        samples: by the cycle in which they enter; None leaves the cycle unused.
    """

    def __init__(
        self, dut: Any, cycles: Cycles, samples: list[Sample | None], noise: np.random.Generator
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._samples = samples
        self._noise = noise

    async def run(self) -> None:
        for cycle in range(len(self._samples) + STAGES):
            stages = [self._at(cycle - stage) for stage in range(STAGES)]
            first, second, third, fourth = (sample or _draw(self._noise) for sample in stages)
            for name, sample in zip(NAMES, stages, strict=True):
                getattr(self._dut, f"enable_{name}_i").value = int(sample is not None)
            self._dut.acc_i.value = first.acc
            self._dut.bias_i.value = first.bias
            self._dut.mult_i.value = second.mult
            self._dut.shift_i.value = third.shift
            self._dut.wide_i.value = int(fourth.wide)
            await self._cycles.start()

    def _at(self, cycle: int) -> Sample | None:
        return self._samples[cycle] if 0 <= cycle < len(self._samples) else None


class Checker:
    """Compares each result in the cycle in which it is due."""

    def __init__(self, dut: Any, cycles: Cycles, model: Model) -> None:
        self._dut = dut
        self._cycles = cycles
        self._model = model

    async def run(self, samples: list[Sample | None]) -> None:
        for entered, sample in enumerate(samples):
            while self._cycles.count < entered + STAGES:
                await self._cycles.settled()
            if sample is not None:
                actual = int(unpack(int(self._dut.result_o.value), 16, 1)[0])
                expected = self._model.result(sample)
                check(f"result[{sample}]", expected, actual, self._cycles.count)


async def requantize_samples(dut: Any, samples: list[Sample | None], model: Model) -> None:
    """Pass samples through the unit, one a cycle, and check all results."""
    cycles = Cycles(dut)
    for stage in NAMES:
        getattr(dut, f"enable_{stage}_i").value = 0
    await cycles.reset(has_reset=False)
    noise = Settings.from_env().generator()
    cocotb.start_soon(Driver(dut, cycles, samples, noise).run())
    await Checker(dut, cycles, model).run(samples)


def _draw(rng: np.random.Generator, shift: int | None = None) -> Sample:
    magnitude = int(rng.integers(1, 32))  # bits, so that small numbers occur
    return Sample(
        acc=int(rng.integers(-(1 << magnitude), 1 << magnitude)),
        bias=int(rng.integers(-(1 << magnitude), 1 << magnitude)),
        mult=int(rng.integers(1 << 16)),
        shift=int(rng.integers(SHIFT_MAX + 1)) if shift is None else shift,
        wide=bool(rng.integers(2)),
    )


@cocotb.test(timeout_time=100, timeout_unit="us")
async def random_numbers_of_every_shift(dut: Any) -> None:
    """Samples follow each other with random cycles between them."""
    rng = Settings.from_env().generator()
    samples: list[Sample | None] = []
    for shift in range(SHIFT_MAX + 1):
        for _ in range(PER_SHIFT):
            samples += [None] * int(rng.integers(2))
            samples.append(_draw(rng, shift))
    await requantize_samples(dut, samples, Model())


@cocotb.test(timeout_time=100, timeout_unit="us")
async def extremes_wrap_and_saturate(dut: Any) -> None:
    """The largest numbers of every shift; the sum with the bias wraps to 32 bits."""
    rng = Settings.from_env().generator()
    samples: list[Sample | None] = [
        Sample(acc, int(rng.choice(ACCUMULATORS)), mult, shift, wide)
        for shift in range(SHIFT_MAX + 1)
        for acc in ACCUMULATORS
        for mult in MULTIPLIERS
        for wide in (False, True)
    ]
    await requantize_samples(dut, samples, Model())


@cocotb.test(timeout_time=100, timeout_unit="us")
async def halves_round_up(dut: Any) -> None:
    """Products that lie half way between two results."""
    samples: list[Sample | None] = []
    for shift in range(1, SHIFT_MAX - 2):
        mult_shift = min(shift - 1, MULTIPLIER_BITS - 1)
        for value in (-3, -2, -1, 0, 1, 2):
            acc = (2 * value + 1) << (shift - 1 - mult_shift)
            samples.append(Sample(acc, 0, 1 << mult_shift, shift, wide=True))
    await requantize_samples(dut, samples, Model())
