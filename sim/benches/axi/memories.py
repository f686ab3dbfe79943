"""Two memories behind one bench: cocotbext-axi's `AxiRam` and the simulated DRAM.

Whatever the bench wraps, its top level has `clk_i`, `rst_ni`, `outside_i`, the controls of the
DRAM, an instance `u_memory` of `either_memory` with its `axi_*` ports, and the handshakes
`read_asked_o`, `read_beat_o`, `write_last_o` and `write_done_o`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotbext.axi import AxiBus, AxiRam
from numpy.typing import NDArray

from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack

Bytes = NDArray[np.uint8]
Transfers = Callable[[], Awaitable[None]]
"""Drives the bench until all that was to be read and written is."""


@dataclass
class Handshakes:
    """Cycles of the handshakes, counted from the start of the transfers."""

    read_asked: list[int] = field(default_factory=list)
    read_beat: list[int] = field(default_factory=list)
    write_last: list[int] = field(default_factory=list)
    write_done: list[int] = field(default_factory=list)

    @property
    def read_latency(self) -> int:
        """From the first address to its first beat."""
        return self.read_beat[0] - self.read_asked[0]

    @property
    def write_latency(self) -> int:
        """From the last beat of the first burst to its response."""
        return self.write_done[0] - self.write_last[0]


@dataclass(frozen=True)
class DramSettings:
    """Inputs of `dram.sv`, named as there."""

    latency: int = 1
    interval: int = 1
    stall_percent: int = 0
    fail_read_addr: int = 0xFFFFFFFF
    fail_write: int = 0
    silent: int = 0

    def drive(self, dut: Any) -> None:
        for name, value in asdict(self).items():
            getattr(dut, f"{name}_i").value = value


async def _record(dut: Any, cycles: Cycles, handshakes: Handshakes, origin: int) -> None:
    while True:
        await cycles.settle()
        for name, events in vars(handshakes).items():
            if int(getattr(dut, f"{name}_o").value):
                events.append(cycles.count - origin)
        await cycles.start()


async def _run(dut: Any, cycles: Cycles, transfers: Transfers) -> Handshakes:
    handshakes = Handshakes()
    recorder = cocotb.start_soon(_record(dut, cycles, handshakes, cycles.count))
    await transfers()
    recorder.cancel()
    return handshakes


async def run_on_axi_ram(
    dut: Any, cycles: Cycles, data: Bytes, transfers: Transfers
) -> tuple[Handshakes, Bytes]:
    """Reset, then run transfers on cocotbext-axi's memory, which asserts lengths and 4 KiB rule.

    Args:
        data: (bytes) what memory holds at first.

    Returns:
        Handshakes, and what memory holds in the end.
    """
    dut.outside_i.value = 1
    DramSettings().drive(dut)
    ram = AxiRam(
        AxiBus.from_prefix(dut, "axi"),
        dut.clk_i,
        dut.rst_ni,
        reset_active_level=False,
        size=len(data),
    )
    await cycles.reset()
    ram.write(0, data.tobytes())
    handshakes = await _run(dut, cycles, transfers)
    return handshakes, np.frombuffer(ram.read(0, len(data)), np.uint8)


async def run_on_dram(
    dut: Any, cycles: Cycles, data: Bytes, transfers: Transfers, settings: DramSettings
) -> tuple[Handshakes, Bytes]:
    """The same on `dram.sv`, whose first bytes are `data`."""
    dut.outside_i.value = 0
    settings.drive(dut)
    await cycles.reset()
    memory = dut.u_memory.u_dram.mem
    beat_bytes = len(memory[0]) // 8
    beats = len(data) // beat_bytes
    for number, beat in enumerate(data.reshape(-1, beat_bytes)):
        memory[number].value = pack(beat, 8)
    await cycles.start()
    handshakes = await _run(dut, cycles, transfers)
    words = [int(memory[number].value) for number in range(beats)]
    stored = b"".join(word.to_bytes(beat_bytes, "little") for word in words)
    return handshakes, np.frombuffer(stored, np.uint8)
