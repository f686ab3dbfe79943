"""Both masters on cocotbext-axi's memory and on the simulated DRAM: same data, same cycles."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from sim.benches.axi import MEMORY_BYTES
from sim.benches.axi.memories import DramSettings, Handshakes, run_on_axi_ram, run_on_dram
from sim.benches.axi.transfers import PAGE, Transfers
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.settings import Settings

READ_ERROR, READ_SILENCE, WRITE_ERROR, WRITE_SILENCE = 1, 2, 4, 8


class Bench:
    """The masters with a memory of random bytes."""

    def __init__(self, dut: Any, stalls: float = 0.0) -> None:
        for port in ("start_i", "beat_pop_i", "word_valid_i"):
            getattr(dut, port).value = 0
        self.dut = dut
        self.cycles = Cycles(dut)
        rng = Settings.from_env().generator()
        self.data = rng.integers(0, 256, MEMORY_BYTES).astype(np.uint8)
        self.transfers = Transfers(dut, self.cycles, self.data, stalls)

    async def on_axi_ram(self) -> Handshakes:
        """Run the transfers there and check what memory holds afterwards."""
        handshakes, stored = await run_on_axi_ram(
            self.dut, self.cycles, self.data, self.transfers.run
        )
        self._check("AxiRam", stored)
        return handshakes

    async def on_dram(self, settings: DramSettings) -> Handshakes:
        """Run the transfers there and check what memory holds afterwards."""
        handshakes, stored = await run_on_dram(
            self.dut, self.cycles, self.data, self.transfers.run, settings
        )
        self._check("dram", stored)
        return handshakes

    def _check(self, memory: str, stored: np.ndarray) -> None:
        check("errors", 0, int(self.dut.errors_o.value), self.cycles.count)
        check_array(memory, "", ("byte",), self.transfers.final, stored, self.cycles.count)


async def compare_memories(dut: Any, stalls: float) -> None:
    """Run the same transfers on both memories; every handshake must be in the same cycle."""
    bench = Bench(dut, stalls)
    outside = await bench.on_axi_ram()
    latency = outside.read_latency
    check("AxiRam's write latency", latency, outside.write_latency, bench.cycles.count)
    inside = await bench.on_dram(DramSettings(latency=latency))
    for name in ("read_beat", "write_last", "write_done"):
        expected, actual = getattr(outside, name), getattr(inside, name)
        check(f"cycles of {name}", expected, actual, bench.cycles.count)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def busy_masters(dut: Any) -> None:
    """Beats are taken and words offered in every cycle."""
    await compare_memories(dut, stalls=0.0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def masters_that_stall(dut: Any) -> None:
    """The FIFO fills and runs empty, words come at random."""
    await compare_memories(dut, stalls=0.6)


@cocotb.test(timeout_time=1, timeout_unit="ms", expect_error=AssertionError)
async def burst_over_a_boundary_is_caught(dut: Any) -> None:
    """A base that is no multiple of a burst: cocotbext-axi's memory must refuse it."""
    bench = Bench(dut)
    config = Settings.from_env().config
    if config.burst_beats == 1:
        raise AssertionError("a burst of one beat crosses nothing")

    async def misplaced() -> None:
        dut.first_beats_i.value = 0
        dut.base_i.value = PAGE - config.mem_bytes
        dut.beats_i.value = config.burst_beats
        dut.start_i.value = 1
        await bench.cycles.start()
        dut.start_i.value = 0
        for _ in range(10 * config.burst_beats):
            await bench.cycles.start()

    await run_on_axi_ram(dut, bench.cycles, bench.data, misplaced)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def dram_keeps_latency_and_interval(dut: Any) -> None:
    """Beats arrive in the cycles that the formula in `dram.sv` gives."""
    burst = Settings.from_env().config.burst_beats
    bench = Bench(dut)
    beats = bench.transfers.stream.beats
    for latency, interval in ((1, 1), (40, 1), (7, 3), (100, 2)):
        handshakes = await bench.on_dram(DramSettings(latency, interval))
        expected: list[int] = []
        first = -beats * interval
        for number, asked in enumerate(handshakes.read_asked):
            first = max(asked + latency, first + interval * burst)
            count = min(burst, beats - number * burst)
            expected += [first + interval * k for k in range(count)]
        place = f"cycles of the beats[latency {latency}, interval {interval}]"
        check(place, expected, handshakes.read_beat, bench.cycles.count)
        check("write latency", latency, handshakes.write_latency, bench.cycles.count)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def dram_stalls_at_random(dut: Any) -> None:
    """Nothing is lost or doubled, and it takes longer."""
    bench = Bench(dut, stalls=0.2)
    quick = await bench.on_dram(DramSettings(latency=9))
    slow = await bench.on_dram(DramSettings(latency=9, stall_percent=50))
    longer = slow.read_beat[-1] > quick.read_beat[-1]
    check("stalls cost cycles", True, longer, bench.cycles.count)


async def fail(dut: Any, settings: DramSettings, expected: int) -> None:
    bench = Bench(dut)
    await run_on_dram(dut, bench.cycles, bench.data, bench.transfers.run, settings)
    check("errors", expected, int(dut.errors_o.value), bench.cycles.count)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def dram_fails_one_read(dut: Any) -> None:
    """The byte is the last of the stream's first beat."""
    config = Settings.from_env().config
    address = PAGE - (config.burst_beats - 1) * config.mem_bytes - 1
    await fail(dut, DramSettings(fail_read_addr=address), READ_ERROR)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def dram_fails_writes(dut: Any) -> None:
    await fail(dut, DramSettings(fail_write=1), WRITE_ERROR)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def dram_falls_silent(dut: Any) -> None:
    """The read master waits from the start, the other from its first word on."""
    bench = Bench(dut)
    settings = DramSettings(silent=1)
    await run_on_dram(dut, bench.cycles, bench.data, bench.transfers.run, settings)
    await bench.cycles.start()
    await bench.cycles.start()
    expected = READ_SILENCE | WRITE_SILENCE
    check("errors", expected, int(dut.errors_o.value), bench.cycles.count)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def read_outside_the_dram_is_an_error(dut: Any) -> None:
    bench = Bench(dut)

    async def outside() -> None:
        dut.first_beats_i.value = 0
        dut.base_i.value = MEMORY_BYTES
        dut.beats_i.value = 1
        dut.start_i.value = 1
        await bench.cycles.start()
        dut.start_i.value = 0
        for _ in range(10):
            await bench.cycles.start()

    await run_on_dram(dut, bench.cycles, bench.data, outside, DramSettings())
    check("errors", READ_ERROR, int(dut.errors_o.value), bench.cycles.count)
