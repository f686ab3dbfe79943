"""Random words, the unit that stores them, and what memory must hold in the end."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack
from sim.benches.common.settings import Settings
from sim.benches.store.memory import BOUNDARY, Memory, Stress

SIZE = 4 * BOUNDARY
MOST_OWED = 255
NO_ERRORS = (0, 0)


class Model:
    """Memory in which every word has replaced the bytes at its address."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data = data.copy()

    def store(self, address: int, word: NDArray[np.uint8]) -> None:
        self.data[address : address + len(word)] = word


class Producer:
    """The unit with a memory; offers words and keeps the model."""

    def __init__(self, dut: Any, stress: Stress) -> None:
        settings = Settings.from_env()
        self.config = settings.config
        self.dut = dut
        self.cycles = Cycles(dut)
        self._stress = stress
        self._rng = settings.generator()
        self.memory = Memory(dut, self.cycles, SIZE, self.config, stress, self._rng)
        self.model = Model(self.memory.data)
        self.taken: list[int] = []
        """The cycle in which each word was taken."""

    @property
    def beats(self) -> int:
        """Of a word."""
        return max(self.config.word_bytes // self.config.mem_bytes, 1)

    async def begin(self) -> None:
        for port in ("start_i", "stop_i", "word_valid_i", "awready_i", "wready_i", "bvalid_i"):
            getattr(self.dut, port).value = 0
        await self.cycles.reset()
        cocotb.start_soon(self.memory.run())

    async def offer(self) -> bool:
        """One cycle, in which a word may be offered; whether it was taken."""
        dut, config = self.dut, self.config
        if self._rng.random() < self._stress.producer_rests:
            await self.idle()
            return False
        step = max(config.word_bytes, config.mem_bytes)
        address = int(self._rng.integers(SIZE // step)) * step
        word = self._rng.integers(0, 256, config.word_bytes).astype(np.uint8)
        dut.word_valid_i.value = 1
        dut.addr_i.value = address
        dut.word_i.value = pack(word, 8)
        await self.cycles.settle()
        taken = bool(int(dut.word_ready_o.value))
        self._check_owed()
        if taken:
            self.model.store(address, word)
            self.taken.append(self.cycles.count)
        await self.cycles.start()
        dut.word_valid_i.value = 0
        return taken

    async def idle(self) -> None:
        """One cycle without a word."""
        await self.cycles.settle()
        self._check_owed()
        await self.cycles.start()

    def _check_owed(self) -> None:
        """`busy` covers every word from the cycle after it was taken until it is answered."""
        cycle = self.cycles.count
        owed = len(self.taken) - sum(when < cycle for when in self.memory.answered)
        check("busy", int(owed > 0), int(self.dut.busy_o.value), cycle)
        if owed > MOST_OWED:
            check("words not answered", f"at most {MOST_OWED}", owed, cycle)

    async def store(self, words: int) -> None:
        """Store words and wait for all responses; then memory must equal the model."""
        until = len(self.taken) + words
        while len(self.taken) < until:
            await self.offer()
        await self.finish()

    async def finish(self) -> None:
        """Wait until nothing is owed, then compare memory with the model."""
        while int(self.dut.busy_o.value):
            await self.idle()
        cycle = self.cycles.count
        check("words answered", len(self.taken), len(self.memory.answered), cycle)
        expected = self.model.data.astype(np.int64)
        actual = self.memory.data.astype(np.int64)
        check_array("memory", "", ("byte",), expected, actual, cycle)

    def errors(self) -> tuple[int, int]:
        """(bus_error, silent)"""
        return int(self.dut.bus_error_o.value), int(self.dut.silent_o.value)

    async def clear(self) -> None:
        """Start anew: the errors fall."""
        self.dut.start_i.value = 1
        await self.cycles.start()
        self.dut.start_i.value = 0
        check("(bus_error, silent)[new start]", NO_ERRORS, self.errors(), self.cycles.count)
