"""Programs stream in from a memory that stalls, to a consumer that does; every beat is checked."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import unpack
from sim.benches.common.settings import Settings
from sim.benches.fetch.memory import BOUNDARY, Memory, Stress

IDLE_CYCLES = 20


class Model:
    """The beats of a program, from the memory's bytes."""

    def __init__(self, data: NDArray[np.uint8], beat_bytes: int) -> None:
        self._beats = data.view(np.int8).reshape(-1, beat_bytes).astype(np.int64)
        self._beat_bytes = beat_bytes

    def beat(self, base: int, number: int) -> NDArray[np.int64]:
        """(bytes)"""
        return self._beats[base // self._beat_bytes + number]


class Consumer:
    """Starts programs, takes their beats and compares them with the model."""

    def __init__(
        self,
        dut: Any,
        cycles: Cycles,
        model: Model,
        config: ArrayConfig,
        stress: Stress,
        rng: np.random.Generator,
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._model = model
        self._config = config
        self._stress = stress
        self._rng = rng
        self._taken = 0

    async def run(self, program: int, base: int, beats: int, memory: Memory) -> None:
        self._dut.base_i.value = base
        self._dut.beats_i.value = beats
        self._dut.start_i.value = 1
        await self._cycles.start()
        self._dut.start_i.value = 0
        before = self._taken
        while self._taken < before + beats:
            if self._stress.rests and self._rng.random() < 0.02:
                for _ in range(self._rng.integers(3 * self._config.fifo_beats)):
                    await self._cycles.start()
                    self._check_room(memory)
            await self._take(program, base, self._taken - before)
            self._check_room(memory)
        for _ in range(IDLE_CYCLES):
            await self._cycles.settle()
            valid = int(self._dut.beat_valid_o.value)
            check(f"beat_valid[behind program {program}]", 0, valid, self._cycles.count)
            await self._cycles.start()
        place = f"beats asked for[program {program}]"
        check(place, before + beats, memory.requested, self._cycles.count)

    async def _take(self, program: int, base: int, number: int) -> None:
        """One cycle, in which a beat may be taken."""
        valid = int(self._dut.beat_valid_o.value)
        if not valid or self._rng.random() < self._stress.consumer_stalls:
            await self._cycles.start()
            return
        self._dut.beat_pop_i.value = 1
        await self._cycles.settle()
        size = self._config.mem_bytes
        actual = unpack(int(self._dut.beat_o.value), 8, size)
        expected = self._model.beat(base, number)
        index = f"program {program}, beat {number}"
        check_array("stream", index, ("byte",), expected, actual, self._cycles.count)
        self._taken += 1
        await self._cycles.start()
        self._dut.beat_pop_i.value = 0

    def _check_room(self, memory: Memory) -> None:
        """What has been asked for and not yet taken must fit into the FIFO."""
        held, room = memory.requested - self._taken, self._config.fifo_beats
        if held > room:
            check("beats asked for and not taken", f"at most {room}", held, self._cycles.count)


def _programs(config: ArrayConfig, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(base, beats): less than a burst, whole bursts, a last partial burst, over a boundary."""
    burst = config.burst_beats
    lengths = [1, burst, 3 * burst, 5 * burst + int(rng.integers(1, max(burst, 2)))]
    programs = [(int(rng.integers(16)) * burst * config.mem_bytes, beats) for beats in lengths]
    base = BOUNDARY - 2 * burst * config.mem_bytes
    programs.append((max(base, 0), 4 * config.fifo_beats - int(rng.integers(burst))))
    return programs


async def stream_programs(dut: Any, stress: Stress) -> None:
    """Stream several programs, one after the other."""
    settings = Settings.from_env()
    config, rng = settings.config, settings.generator()
    programs = _programs(config, rng)
    size = max(base + beats * config.mem_bytes for base, beats in programs)
    data = rng.integers(0, 256, -(-size // BOUNDARY) * BOUNDARY).astype(np.uint8)
    cycles = Cycles(dut)
    for port in ("start_i", "arready_i", "rvalid_i", "beat_pop_i"):
        getattr(dut, port).value = 0
    await cycles.reset()
    memory = Memory(dut, cycles, data, config, stress, rng)
    cocotb.start_soon(memory.run())
    model = Model(data, config.mem_bytes)
    consumer = Consumer(dut, cycles, model, config, stress, settings.generator())
    for number, (base, beats) in enumerate(programs):
        await consumer.run(number, base, beats, memory)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fast_memory_and_consumer(dut: Any) -> None:
    """Nothing stalls."""
    await stream_programs(dut, Stress(memory_stalls=0.0, latency=3, consumer_stalls=0.0))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def memory_stalls(dut: Any) -> None:
    """Addresses and beats wait at random."""
    await stream_programs(dut, Stress(memory_stalls=0.5, latency=12, consumer_stalls=0.1))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def consumer_fills_the_fifo(dut: Any) -> None:
    """The consumer is slow and rests: what it leaves must fit into the FIFO."""
    stress = Stress(memory_stalls=0.0, latency=1, consumer_stalls=0.6, rests=True)
    await stream_programs(dut, stress)
