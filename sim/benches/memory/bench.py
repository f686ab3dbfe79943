"""Random reads on both ports and writes to slices, many to the same word in the same cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from sim.benches.common.check import check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.memory import WORDS

CYCLES = 1500
HOT_WORDS = 4
"""Words that most accesses go to, so that they meet."""
PORTS = ("a", "b")


@dataclass(frozen=True)
class Access:
    """What the ports do in a cycle."""

    reads: dict[str, int | None]  # port -> word
    write: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None  # word, slices, data


class Model:
    """Words that change at the end of the cycle of a write."""

    def __init__(self, words: int, word_bytes: int, write_bytes: int) -> None:
        self._mem = np.zeros((words, word_bytes // write_bytes, write_bytes), np.int64)

    def cycle(self, access: Access) -> dict[str, NDArray[np.int64]]:
        """Data of the reads, by port, then the write."""
        data = {p: self._mem[w].ravel() for p, w in access.reads.items() if w is not None}
        data = {port: word.copy() for port, word in data.items()}
        if access.write is not None:
            word, slices, value = access.write
            self._mem[word][slices.astype(bool)] = value
        return data


class Driver:
    """Puts accesses on the ports; unused ports carry noise."""

    def __init__(self, dut: Any, words: int, rng: np.random.Generator) -> None:
        self._dut = dut
        self._words = words
        self._rng = rng

    def drive(self, access: Access) -> None:
        for port, word in access.reads.items():
            getattr(self._dut, f"{port}_read_i").value = int(word is not None)
            address = self._rng.integers(self._words) if word is None else word
            getattr(self._dut, f"{port}_addr_i").value = int(address)
        self._dut.write_i.value = int(access.write is not None)
        if access.write is not None:
            word, slices, data = access.write
            self._dut.write_addr_i.value = word
            self._dut.write_slices_i.value = pack(slices, 1)
            self._dut.write_data_i.value = pack(data, 8)


class Checker:
    """Compares the read data, which must hold until the port reads again."""

    def __init__(self, dut: Any, word_bytes: int) -> None:
        self._dut = dut
        self._word_bytes = word_bytes
        self._held: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def check(self, cycle: int) -> None:
        """Before the cycle's own reads are noted."""
        for port, (word, expected) in self._held.items():
            actual = unpack(int(getattr(self._dut, f"{port}_data_o").value), 8, self._word_bytes)
            check_array(f"{port}_data", f"word {word}", ("byte",), expected, actual, cycle)

    def note(self, access: Access, data: dict[str, NDArray[np.int64]]) -> None:
        for port, expected in data.items():
            word = access.reads[port]
            assert word is not None
            self._held[port] = (word, expected)


def _draw(rng: np.random.Generator, settings: Settings, fill: int | None) -> Access:
    """A random access; with `fill`, a write of all slices of that word."""
    config = settings.config
    slices = config.word_bytes // config.cols
    data = rng.integers(-128, 128, config.cols)
    if fill is not None:
        return Access(dict.fromkeys(PORTS), (fill, np.ones(slices, np.int64), data))

    def word() -> int:
        return int(rng.integers(HOT_WORDS if rng.random() < 0.8 else WORDS))

    reads = {port: word() if rng.random() < 0.7 else None for port in PORTS}
    write = (word(), rng.integers(0, 2, slices), data) if rng.random() < 0.7 else None
    return Access(reads, write)


async def access_at_random(dut: Any, model_type: type[Model] = Model) -> None:
    """Fill the memory, then read and write at random and check every read."""
    settings = Settings.from_env()
    config = settings.config
    rng = settings.generator()
    cycles = Cycles(dut)
    driver = Driver(dut, WORDS, rng)
    checker = Checker(dut, config.word_bytes)
    model = model_type(WORDS, config.word_bytes, config.cols)
    await cycles.reset(has_reset=False)
    for number in range(WORDS + CYCLES):
        access = _draw(rng, settings, number if number < WORDS else None)
        driver.drive(access)
        await cycles.settle()
        checker.check(cycles.count)
        checker.note(access, model.cycle(access))
        await cycles.start()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reads_and_writes_meet(dut: Any) -> None:
    """A read in the cycle of a write to its word returns the old value."""
    await access_at_random(dut)
