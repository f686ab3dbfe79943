"""Both masters at once on cocotbext-axi's memory and on the simulated DRAM: same data and cycles."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from sim.benches.axi import MEMORY_BYTES
from sim.benches.axi.memories import Bytes, run_on_axi_ram, run_on_dram
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.fetch.stream import Model, Stream

PAGE = 4096
WORDS = 60


class Transfers:
    """A stream of two pieces over 4 KiB boundaries, while words are stored at random times.

    Every run offers and takes the same in the same cycles, if memory lets it.
    """

    def __init__(self, dut: Any, cycles: Cycles, data: Bytes, stalls: float) -> None:
        self._dut = dut
        self._cycles = cycles
        self._settings = Settings.from_env()
        config = self._settings.config
        rng = self._settings.generator()
        self._stalls = stalls
        burst_bytes = config.burst_beats * config.mem_bytes
        edge = PAGE - burst_bytes
        self._stream = Stream((edge, 3 * config.burst_beats), (edge, 9 * config.burst_beats + 1))
        self._model = Model(data, config.mem_bytes)
        step = max(config.word_bytes, config.mem_bytes)
        slots = rng.choice(MEMORY_BYTES // 2 // step, WORDS, replace=False)
        self._addresses = MEMORY_BYTES // 2 + step * slots
        self._words = rng.integers(0, 256, (WORDS, config.word_bytes)).astype(np.uint8)
        self.final = data.copy()
        """(bytes) what memory must hold in the end."""
        for address, word in zip(self._addresses, self._words, strict=True):
            self.final[address : address + len(word)] = word

    async def run(self) -> None:
        dut = self._dut
        dut.first_base_i.value, dut.first_beats_i.value = self._stream.first
        dut.base_i.value, dut.beats_i.value = self._stream.second
        dut.start_i.value = 1
        await self._cycles.start()
        dut.start_i.value = 0
        rng = self._settings.generator()
        taken = stored = 0
        while taken < self._stream.beats or stored < WORDS or int(dut.busy_o.value):
            pops, offers = rng.random(2) >= self._stalls
            pop = bool(pops) and bool(int(dut.beat_valid_o.value))
            offer = bool(offers) and stored < WORDS
            dut.beat_pop_i.value = int(pop)
            dut.word_valid_i.value = int(offer)
            if offer:
                dut.addr_i.value = int(self._addresses[stored])
                dut.word_i.value = pack(self._words[stored], 8)
            await self._cycles.settle()
            if pop:
                self._check_beat(taken)
                taken += 1
            stored += offer and bool(int(dut.word_ready_o.value))
            await self._cycles.start()
        dut.beat_pop_i.value = 0
        dut.word_valid_i.value = 0
        check("errors", 0, int(dut.errors_o.value), self._cycles.count)

    def _check_beat(self, number: int) -> None:
        actual = unpack(int(self._dut.beat_o.value), 8, self._settings.config.mem_bytes)
        expected = self._model.beat(self._stream, number)
        place = f"beat {number}"
        check_array("stream", place, ("byte",), expected, actual, self._cycles.count)


def _quiet(dut: Any) -> None:
    for port in ("start_i", "beat_pop_i", "word_valid_i"):
        getattr(dut, port).value = 0


async def compare_memories(dut: Any, stalls: float) -> None:
    """Run the same transfers on both memories; every handshake must be in the same cycle."""
    _quiet(dut)
    cycles = Cycles(dut)
    data = Settings.from_env().generator().integers(0, 256, MEMORY_BYTES).astype(np.uint8)
    transfers = Transfers(dut, cycles, data, stalls)
    outside, stored = await run_on_axi_ram(dut, cycles, data, transfers.run)
    check_array("AxiRam", "", ("byte",), transfers.final, stored, cycles.count)
    latency = outside.read_latency
    check("AxiRam's write latency", latency, outside.write_latency, cycles.count)
    inside, stored = await run_on_dram(dut, cycles, data, transfers.run, latency)
    check_array("dram", "", ("byte",), transfers.final, stored, cycles.count)
    for name in ("read_beat", "write_last", "write_done"):
        expected, actual = getattr(outside, name), getattr(inside, name)
        check(f"cycles of {name}", expected, actual, cycles.count)


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
    """A base that is no multiple of a burst: the memory model must refuse it."""
    _quiet(dut)
    cycles = Cycles(dut)
    config = Settings.from_env().config

    async def misplaced() -> None:
        dut.first_beats_i.value = 0
        dut.base_i.value = PAGE - config.mem_bytes
        dut.beats_i.value = config.burst_beats
        dut.start_i.value = 1
        await cycles.start()
        dut.start_i.value = 0
        for _ in range(10 * config.burst_beats):
            await cycles.start()

    await run_on_axi_ram(dut, cycles, np.zeros(MEMORY_BYTES, np.uint8), misplaced)
