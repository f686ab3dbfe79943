"""What both masters do at the same time, and what must come of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.benches.axi import MEMORY_BYTES
from sim.benches.axi.memories import Bytes
from sim.benches.common.check import check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.fetch.stream import Model, Stream

PAGE = 4096
WORDS = 60


class Transfers:
    """A stream of two pieces over 4 KiB boundaries, while words are stored at random times.

    Every run offers and takes the same in the same cycles, as far as memory lets it.

    Args:
        data: (bytes) what memory holds at first.
        stalls: chance that a beat is not taken in a cycle, or no word offered.
    """

    def __init__(self, dut: Any, cycles: Cycles, data: Bytes, stalls: float) -> None:
        self._dut = dut
        self._cycles = cycles
        self._settings = Settings.from_env()
        config = self._settings.config
        rng = self._settings.generator()
        self._stalls = stalls
        burst = config.burst_beats
        edge = PAGE - burst * config.mem_bytes
        self.stream = Stream((edge, 3 * burst), (edge, 9 * burst + (burst + 1) // 2))
        self._model = Model(data, config.mem_bytes)
        step = max(config.word_bytes, config.mem_bytes)
        slots = rng.choice(MEMORY_BYTES // 2 // step, WORDS, replace=False)
        self._addresses = MEMORY_BYTES // 2 + step * slots
        self._words = rng.integers(0, 256, (WORDS, config.word_bytes)).astype(np.uint8)
        self.final = data.copy()
        """(bytes) what memory must hold in the end."""
        for address, word in zip(self._addresses, self._words, strict=True):
            self.final[address : address + len(word)] = word

    async def start(self) -> None:
        dut = self._dut
        dut.first_base_i.value, dut.first_beats_i.value = self.stream.first
        dut.base_i.value, dut.beats_i.value = self.stream.second
        dut.start_i.value = 1
        await self._cycles.start()
        dut.start_i.value = 0

    async def run(self) -> None:
        """Transfer everything, or as much as there is until an error rises."""
        dut = self._dut
        await self.start()
        rng = self._settings.generator()
        taken = stored = 0
        while taken < self.stream.beats or stored < WORDS or int(dut.busy_o.value):
            if int(dut.errors_o.value):
                break
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

    def _check_beat(self, number: int) -> None:
        actual = unpack(int(self._dut.beat_o.value), 8, self._settings.config.mem_bytes)
        expected = self._model.beat(self.stream, number)
        place = f"beat {number}"
        check_array("stream", place, ("byte",), expected, actual, self._cycles.count)
