"""An AXI4 write slave of random patience, and the rules that it holds the master to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from sim.benches.common.check import check
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import unpack

BOUNDARY = 4096
"""Bytes; no burst may cross a multiple of it (AXI4, A3.4.1)."""
OKAY, SLAVE_ERROR = 0, 2


@dataclass(frozen=True)
class Stress:
    """How memory and producer behave."""

    memory_stalls: float = 0.0
    """Chance that an address, a beat or a response waits a cycle."""
    latency: int = 3
    """Least cycles from the last beat of a burst to its response."""
    producer_rests: float = 0.0
    """Chance that no word is offered in a cycle."""


@dataclass
class Faults:
    """What the memory does wrong, for words counted from the reset on."""

    failing_word: int | None = None
    """Answered with an error."""
    last_word: int | None = None
    """Words from this one on are not answered."""
    deaf_addresses: bool = False
    deaf_data: bool = False


class Memory:
    """Takes addresses and beats, each with stalls, and answers every burst.

    Args:
        size: bytes from address 0 on; they are random at first.
    """

    def __init__(
        self,
        dut: Any,
        cycles: Cycles,
        size: int,
        config: ArrayConfig,
        stress: Stress,
        rng: np.random.Generator,
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._beat_bytes = config.mem_bytes
        self._stress = stress
        self._rng = rng
        self._bursts: deque[tuple[int, int]] = deque()  # addresses and beats not yet filled
        self._beats: deque[tuple[int, int, int]] = deque()  # data, strobe, last: without address
        self._place = 0  # beat of the first burst
        self._due: deque[int] = deque()  # first cycle of a response
        self._waiting: dict[str, tuple[int, ...]] = {}  # what was offered and not taken
        self.data: NDArray[np.uint8] = rng.integers(0, 256, size).astype(np.uint8)
        self.faults = Faults()
        self.filled: list[int] = []
        """The cycle of the last beat of every word."""
        self.answered: list[int] = []
        """The cycle of every response."""
        self.progress = 0
        """The last cycle in which anything was taken or answered."""

    async def run(self) -> None:
        while True:
            self._drive()
            await self._cycles.settle()
            self._sample()
            await self._cycles.start()

    def _stalls(self) -> bool:
        return bool(self._rng.random() < self._stress.memory_stalls)

    def _drive(self) -> None:
        faults, word = self.faults, len(self.answered)
        self._dut.awready_i.value = int(not self._stalls() and not faults.deaf_addresses)
        self._dut.wready_i.value = int(not self._stalls() and not faults.deaf_data)
        valid = bool(self._due) and self._due[0] <= self._cycles.count and not self._stalls()
        valid = valid and (faults.last_word is None or word < faults.last_word)
        self._dut.bvalid_i.value = int(valid)
        response = SLAVE_ERROR if word == faults.failing_word else OKAY
        self._dut.bresp_i.value = response if valid else int(self._rng.integers(4))

    def _taken(self, channel: str, ports: tuple[str, ...]) -> tuple[int, ...] | None:
        """The payload of a handshake; a payload must wait unchanged until it is taken."""
        cycle, dut = self._cycles.count, self._dut
        valid = int(getattr(dut, f"{channel}valid_o").value)
        payload = tuple(int(getattr(dut, f"{channel}{port}_o").value) for port in ports)
        waiting = self._waiting.pop(channel, None)
        if waiting is not None:  # AXI4, A3.2.1: valid stays until ready
            check(f"{channel}valid[while it waits]", 1, valid, cycle)
            check(f"{channel} {ports}[while it waits]", waiting, payload, cycle)
        if valid and int(getattr(dut, f"{channel}ready_i").value):
            self.progress = cycle
            return payload
        if valid:
            self._waiting[channel] = payload
        return None

    def _sample(self) -> None:
        cycle = self._cycles.count
        if int(self._dut.bvalid_i.value):
            check("bready", 1, int(self._dut.bready_o.value), cycle)
            self._due.popleft()
            self.answered.append(cycle)
            self.progress = cycle
        burst = self._taken("aw", ("addr", "len"))
        if burst is not None:
            address, beats = burst[0], burst[1] + 1
            check("awaddr modulo beat", 0, address % self._beat_bytes, cycle)
            last = address + beats * self._beat_bytes - 1
            check("page of the burst's end", address // BOUNDARY, last // BOUNDARY, cycle)
            self._bursts.append((address, beats))
        beat = self._taken("w", ("data", "strb", "last"))
        if beat is not None:
            self._beats.append((beat[0], beat[1], beat[2]))
        while self._bursts and self._beats:
            self._fill(*self._beats.popleft())

    def _fill(self, data: int, strobe: int, last: int) -> None:
        address, beats = self._bursts[0]
        cycle, place = self._cycles.count, f"word {len(self.filled)}, beat {self._place}"
        check(f"wlast[{place}]", int(self._place == beats - 1), last, cycle)
        address += self._place * self._beat_bytes
        enabled = unpack(strobe, 1, self._beat_bytes) != 0
        value = unpack(data, 8, self._beat_bytes).astype(np.uint8)
        self.data[address : address + self._beat_bytes][enabled] = value[enabled]
        self._place += 1
        if last:
            self._place = 0
            self._bursts.popleft()
            self.filled.append(cycle)
            self._due.append(cycle + self._stress.latency)
