"""The clock of a unit and the count of its cycles."""

from __future__ import annotations

from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

PERIOD_NS = 2


class Cycles:
    """Clock, reset, and the number of cycles since the reset.

    A cycle lasts from one falling edge to the next: drivers set inputs at its start (`start`),
    monitors sample once they have settled (`settled`), registers change in its middle.
    """

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self._first = 0
        self._ticks = False

    @property
    def count(self) -> int:
        return int(get_sim_time("ns")) // PERIOD_NS - self._first

    async def reset(self, has_reset: bool = True) -> None:
        """Start the clock, if need be, and reset the unit; returns at the start of cycle 0."""
        if has_reset:
            self._dut.rst_ni.value = 0
        if not self._ticks:
            Clock(self._dut.clk_i, PERIOD_NS, "ns").start(start_high=False)
            self._ticks = True
        for _ in range(2):
            await FallingEdge(self._dut.clk_i)
        if has_reset:
            self._dut.rst_ni.value = 1
        await self.start()
        self._first = int(get_sim_time("ns")) // PERIOD_NS

    async def start(self) -> None:
        """Wait for the start of the next cycle."""
        await FallingEdge(self._dut.clk_i)

    async def settled(self) -> None:
        """Wait until the next cycle's inputs and what follows from them hold."""
        await FallingEdge(self._dut.clk_i)
        await ReadOnly()

    async def settle(self) -> None:
        """Wait until this cycle's inputs and what follows from them hold."""
        await ReadOnly()
