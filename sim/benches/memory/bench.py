"""Both memories: random reads and writes to slices, many to the same word in the same cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.memory import WORDS

CYCLES = 1500
HOT_WORDS = 4
"""Words that most accesses go to, so that they meet."""
PORTS = {"one": ("a",), "two": ("a", "b")}
"""Read ports of each memory; a write goes before a read on port b."""


@dataclass(frozen=True)
class Access:
    """What the ports of a memory do in a cycle."""

    reads: dict[str, int | None]  # port -> word
    write: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None  # word, slices, data


class Model:
    """Words that change at the end of the cycle of a write."""

    def __init__(self, words: int, word_bytes: int, slices: int) -> None:
        self._mem = np.zeros((words, slices, word_bytes // slices), np.int64)

    def grants(self, port: str, access: Access) -> bool:
        """Whether a read takes place."""
        return port == "a" or access.write is None

    def cycle(self, access: Access) -> dict[str, NDArray[np.int64]]:
        """Data of the reads that take place, by port, then the write."""
        data = {
            port: self._mem[word].ravel().copy()
            for port, word in access.reads.items()
            if word is not None and self.grants(port, access)
        }
        if access.write is not None:
            word, slices, value = access.write
            written = slices.astype(bool)
            self._mem[word][written] = value.reshape(len(slices), -1)[written]
        return data


class Driver:
    """Puts accesses on the ports of a memory; unused ports carry noise."""

    def __init__(self, dut: Any, memory: str, rng: np.random.Generator) -> None:
        self._dut = dut
        self._memory = memory
        self._rng = rng

    def drive(self, access: Access) -> None:
        for port, word in access.reads.items():
            self._set(f"{port}_read", int(word is not None))
            self._set(f"{port}_addr", int(self._rng.integers(WORDS)) if word is None else word)
        self._set("write", int(access.write is not None))
        if access.write is not None:
            word, slices, data = access.write
            self._set("write_addr", word)
            self._set("write_slices", pack(slices, 1))
            self._set("write_data", pack(data, 8))
        else:
            self._set("write_addr", int(self._rng.integers(WORDS)))

    def _set(self, port: str, value: int) -> None:
        getattr(self._dut, f"{self._memory}_{port}_i").value = value


class Checker:
    """Compares the data read, which must hold until the port reads again, and the grants."""

    def __init__(self, dut: Any, memory: str, word_bytes: int) -> None:
        self._dut = dut
        self._memory = memory
        self._word_bytes = word_bytes
        self._held: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def check(self, access: Access, model: Model, cycle: int) -> None:
        """Before the cycle's own reads are noted."""
        for port, (word, expected) in self._held.items():
            data = int(getattr(self._dut, f"{self._memory}_{port}_data_o").value)
            actual = unpack(data, 8, self._word_bytes)
            place = f"{self._memory}_{port}_data"
            check_array(place, f"word {word}", ("byte",), expected, actual, cycle)
        if "b" in access.reads:
            granted = int(self._dut.two_b_grant_o.value)
            check("two_b_grant", int(model.grants("b", access)), granted, cycle)

    def note(self, access: Access, data: dict[str, NDArray[np.int64]]) -> None:
        for port, expected in data.items():
            word = access.reads[port]
            assert word is not None
            self._held[port] = (word, expected)


def _draw(
    memory: str, rng: np.random.Generator, word_bytes: int, slices: int, fill: int | None
) -> Access:
    """A random access; with `fill`, a write of all slices of that word."""
    ports, data = PORTS[memory], rng.integers(-128, 128, word_bytes)
    if fill is not None:
        return Access(dict.fromkeys(ports), (fill, np.ones(slices, np.int64), data))

    def word() -> int:
        return int(rng.integers(HOT_WORDS if rng.random() < 0.8 else WORDS))

    reads = {port: word() if rng.random() < 0.7 else None for port in ports}
    write = (word(), rng.integers(0, 2, slices), data) if rng.random() < 0.6 else None
    return Access(reads, write)


async def access_at_random(dut: Any, memory: str, model_type: type[Model] = Model) -> None:
    """Fill the memory, then read and write at random and check every read."""
    settings = Settings.from_env()
    config = settings.config
    rng, slices = settings.generator(), config.word_bytes // config.cols
    cycles = Cycles(dut)
    driver, checker = Driver(dut, memory, rng), Checker(dut, memory, config.word_bytes)
    model = model_type(WORDS, config.word_bytes, slices)
    await cycles.reset(has_reset=False)
    for number in range(WORDS + CYCLES):
        fill = number if number < WORDS else None
        access = _draw(memory, rng, config.word_bytes, slices, fill)
        driver.drive(access)
        await cycles.settle()
        checker.check(access, model, cycles.count)
        checker.note(access, model.cycle(access))
        await cycles.start()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reads_and_writes_meet(dut: Any) -> None:
    """A read in the cycle of a write to its word returns the old value."""
    await access_at_random(dut, "one")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def writes_go_before_reads_of_the_second_port(dut: Any) -> None:
    """The read is refused, and what was read before stays."""
    await access_at_random(dut, "two")
