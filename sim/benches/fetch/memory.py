"""An AXI4 read slave of random patience, and the rules that it holds the master to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from sim.benches.common.check import check
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack

BOUNDARY = 4096
"""Bytes; no burst may cross a multiple of it (AXI4, A3.4.1)."""
OKAY, SLAVE_ERROR = 0, 2


@dataclass(frozen=True)
class Stress:
    """How memory and consumer behave."""

    memory_stalls: float = 0.0
    """Chance that an address or a beat waits a cycle."""
    latency: int = 3
    """Least cycles from an address to its first beat."""
    consumer_stalls: float = 0.0
    """Chance that a beat is not taken in a cycle."""
    rests: bool = False
    """The consumer rests now and then, long enough for the FIFO to fill."""


@dataclass
class Faults:
    """What the memory does wrong, for beats counted from the reset on."""

    failing_beat: int | None = None
    """Answered with an error."""
    misframed_beat: int | None = None
    """Its mark of a burst's end is wrong."""
    last_beat: int | None = None
    """Beats from this one on never come."""
    deaf: bool = False
    """No address is taken."""


@dataclass(frozen=True)
class _Due:
    """A beat to send."""

    cycle: int
    number: int
    last: bool


class Memory:
    """Answers bursts in order, with stalls before addresses and beats.

    Args:
        data: (bytes) memory from address 0 on.
    """

    def __init__(
        self,
        dut: Any,
        cycles: Cycles,
        data: NDArray[np.uint8],
        config: ArrayConfig,
        stress: Stress,
        rng: np.random.Generator,
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._beats = data.reshape(-1, config.mem_bytes)
        self._beat_bytes = config.mem_bytes
        self._burst_beats = config.burst_beats
        self._stress = stress
        self._rng = rng
        self._due: deque[_Due] = deque()
        self._waiting: tuple[int, int] | None = None  # an address that was not taken
        self.faults = Faults()
        self.requested = 0  # beats asked for so far
        self.sent = 0  # beats sent so far
        self.progress = 0  # last cycle in which an address was taken or a beat sent

    @property
    def address_waits(self) -> bool:
        """An address was offered in the last cycle, and not taken."""
        return self._waiting is not None

    async def run(self) -> None:
        while True:
            self._drive()
            await self._cycles.settle()
            self._sample()
            await self._cycles.start()

    def _stalls(self) -> bool:
        return bool(self._rng.random() < self._stress.memory_stalls)

    def _drive(self) -> None:
        faults = self.faults
        self._dut.arready_i.value = int(not self._stalls() and not faults.deaf)
        valid = bool(self._due) and self._due[0].cycle <= self._cycles.count and not self._stalls()
        valid = valid and (faults.last_beat is None or self.sent < faults.last_beat)
        self._dut.rvalid_i.value = int(valid)
        data = self._rng.integers(0, 256, self._beat_bytes)
        last, response = int(self._rng.integers(2)), int(self._rng.integers(4))
        if valid:
            data = self._beats[self._due[0].number]
            last = self._due[0].last ^ (self.sent == faults.misframed_beat)
            response = SLAVE_ERROR if self.sent == faults.failing_beat else OKAY
        self._dut.rdata_i.value = pack(data, 8)
        self._dut.rlast_i.value = int(last)
        self._dut.rresp_i.value = response

    def _sample(self) -> None:
        cycle = self._cycles.count
        if int(self._dut.rvalid_i.value):
            check(f"rready[beat {self.sent}]", 1, int(self._dut.rready_o.value), cycle)
            self._due.popleft()
            self.sent += 1
            self.progress = cycle
        valid = int(self._dut.arvalid_o.value)
        request = (int(self._dut.araddr_o.value), int(self._dut.arlen_o.value) + 1)
        if self._waiting is not None:  # AXI4, A3.2.1: valid stays until ready
            check("arvalid[while an address waits]", 1, valid, cycle)
            check("(araddr, beats)[while an address waits]", self._waiting, request, cycle)
        self._waiting = request if valid else None
        if valid and int(self._dut.arready_i.value):
            self._waiting = None
            self._accept(*request)
            self.progress = cycle

    def _accept(self, address: int, beats: int) -> None:
        cycle = self._cycles.count
        index = f"beat {self.requested}"
        offset = address % (self._burst_beats * self._beat_bytes)
        check(f"araddr modulo burst[{index}]", 0, offset, cycle)
        last = address + beats * self._beat_bytes - 1
        check(f"page of the burst's end[{index}]", address // BOUNDARY, last // BOUNDARY, cycle)
        first = address // self._beat_bytes
        check(f"burst within the memory[{index}]", True, first + beats <= len(self._beats), cycle)
        ready = cycle + self._stress.latency
        self._due.extend(_Due(ready, first + i, i == beats - 1) for i in range(beats))
        self.requested += beats
