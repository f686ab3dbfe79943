"""Streams of two pieces, what they must deliver, and a consumer that checks it."""

from __future__ import annotations

from dataclasses import dataclass
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
NO_ERRORS = (0, 0)


@dataclass(frozen=True)
class Stream:
    """Two pieces of memory: (first byte, beats) each."""

    first: tuple[int, int]
    second: tuple[int, int]

    @property
    def beats(self) -> int:
        return self.first[1] + self.second[1]

    def end(self, beat_bytes: int) -> int:
        """The byte behind the later piece."""
        return max(base + beats * beat_bytes for base, beats in (self.first, self.second))


class Model:
    """The beats of a stream, from the memory's bytes."""

    def __init__(self, data: NDArray[np.uint8], beat_bytes: int) -> None:
        self._beats = data.view(np.int8).reshape(-1, beat_bytes).astype(np.int64)
        self._beat_bytes = beat_bytes

    def beat(self, stream: Stream, number: int) -> NDArray[np.int64]:
        """(bytes)"""
        first, count = stream.first
        base, number = (first, number) if number < count else (stream.second[0], number - count)
        return self._beats[base // self._beat_bytes + number]


class Consumer:
    """Starts streams, takes their beats and compares them with the model."""

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
        self.taken: list[int] = []
        """The cycle in which each beat of the stream was taken."""

    async def start(self, stream: Stream) -> None:
        """Set both pieces and start; noise once they must have been noted."""
        dut = self._dut
        dut.first_base_i.value, dut.first_beats_i.value = stream.first
        dut.base_i.value, dut.beats_i.value = stream.second
        dut.start_i.value = 1
        await self._cycles.start()
        dut.start_i.value = 0
        for port in (dut.first_base_i, dut.first_beats_i, dut.base_i, dut.beats_i):
            port.value = int(self._rng.integers(1 << 16))
        self.taken = []

    async def run(self, number: int, stream: Stream, memory: Memory) -> None:
        asked = memory.requested
        await self.start(stream)
        while len(self.taken) < stream.beats:
            if self._stress.rests and self._rng.random() < 0.02:
                for _ in range(self._rng.integers(3 * self._config.fifo_beats)):
                    await self._cycles.start()
                    self._check_room(memory, asked)
            await self.take(number, stream)
            self._check_room(memory, asked)
        for _ in range(IDLE_CYCLES):
            await self._cycles.settle()
            place = f"(beat_valid, exhausted)[behind stream {number}]"
            check(place, (0, 1), self._flags(), self._cycles.count)
            await self._cycles.start()
        place = f"beats asked for[stream {number}]"
        check(place, stream.beats, memory.requested - asked, self._cycles.count)
        place = f"(bus_error, silent)[stream {number}]"
        check(place, NO_ERRORS, errors(self._dut), self._cycles.count)

    def _flags(self) -> tuple[int, int]:
        return int(self._dut.beat_valid_o.value), int(self._dut.exhausted_o.value)

    async def take(self, number: int, stream: Stream) -> None:
        """One cycle, in which a beat may be taken."""
        beat = len(self.taken)
        index = f"stream {number}, beat {beat}"
        valid, exhausted = self._flags()
        check(f"exhausted[{index}]", 0, exhausted, self._cycles.count)
        if not valid or self._rng.random() < self._stress.consumer_stalls:
            await self._cycles.start()
            return
        self._dut.beat_pop_i.value = 1
        await self._cycles.settle()
        size = self._config.mem_bytes
        actual = unpack(int(self._dut.beat_o.value), 8, size)
        expected = self._model.beat(stream, beat)
        check_array("stream", index, ("byte",), expected, actual, self._cycles.count)
        self.taken.append(self._cycles.count)
        await self._cycles.start()
        self._dut.beat_pop_i.value = 0

    def _check_room(self, memory: Memory, asked: int) -> None:
        """What has been asked for and not yet taken must fit into the FIFO."""
        held, room = memory.requested - asked - len(self.taken), self._config.fifo_beats
        if held > room:
            check("beats asked for and not taken", f"at most {room}", held, self._cycles.count)


def errors(dut: Any) -> tuple[int, int]:
    """(bus_error, silent)"""
    return int(dut.bus_error_o.value), int(dut.silent_o.value)


def make_streams(config: ArrayConfig, rng: np.random.Generator) -> list[Stream]:
    """Pieces of no beats, one, whole bursts, a last partial burst, over a boundary."""
    burst = config.burst_beats
    burst_bytes = burst * config.mem_bytes
    lengths = [1, burst, 3 * burst, 5 * burst + int(rng.integers(1, max(burst, 2)))]
    firsts = [0, burst, 0, 4 * burst]

    def base() -> int:
        return int(rng.integers(16)) * burst_bytes

    streams = [
        Stream((base(), first), (base(), beats))
        for first, beats in zip(firsts, lengths, strict=True)
    ]
    edge = max(BOUNDARY - 2 * burst_bytes, 0)
    long = 4 * config.fifo_beats - int(rng.integers(burst))
    return [
        *streams,
        Stream((edge, 4 * burst), (edge, long)),
        Stream((base(), 2 * burst), (0, 0)),
    ]


class Bench:
    """The unit with memory and consumer, in reset until `begin`."""

    def __init__(self, dut: Any, stress: Stress) -> None:
        settings = Settings.from_env()
        rng = settings.generator()
        self.config = settings.config
        self.streams = make_streams(self.config, rng)
        size = max(stream.end(self.config.mem_bytes) for stream in self.streams)
        data = rng.integers(0, 256, -(-size // BOUNDARY) * BOUNDARY).astype(np.uint8)
        self.dut = dut
        self.cycles = Cycles(dut)
        self.memory = Memory(dut, self.cycles, data, self.config, stress, rng)
        model = Model(data, self.config.mem_bytes)
        self.consumer = Consumer(dut, self.cycles, model, self.config, stress, settings.generator())

    async def begin(self) -> None:
        for port in ("start_i", "stop_i", "arready_i", "rvalid_i", "beat_pop_i"):
            getattr(self.dut, port).value = 0
        await self.cycles.reset()
        check("exhausted[before the first start]", 0, int(self.dut.exhausted_o.value), 0)
        cocotb.start_soon(self.memory.run())
