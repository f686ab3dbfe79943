"""Output tiles to features and sums: int8, int16, GELU table, empty tiles, write stalls."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np

from hw.config import ArrayConfig
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.output.tiles import IntArray, Model, Tile, Write, random_tiles

TILES = 40
DRAIN_CYCLES = 20
STAGES = 6
"""Cycles from a read of the accumulators to the write."""


class Progress:
    """How many tiles are filled, summed up, and out; when the accumulators were read."""

    def __init__(self) -> None:
        self.pushed = 0
        self.done = 0
        self.freed = 0
        self.reads: deque[int] = deque()
        """Cycles of the reads whose results are not out."""


class Filler:
    """Writes tables and parameters and pushes tiles, as the loader does."""

    def __init__(
        self,
        dut: Any,
        cycles: Cycles,
        config: ArrayConfig,
        rng: np.random.Generator,
        gap_chance: float,
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._config = config
        self._rng = rng
        self._gap_chance = gap_chance

    async def run(self, tiles: list[Tile], progress: Progress) -> None:
        table: IntArray | None = None
        for tile in tiles:
            self._dut.slot_i.value = tile.slot
            if tile.table is not None and tile.table is not table:
                table = tile.table
                await self._until_settled("gelu_busy_o", 0)
                lines = table.reshape(-1, self._config.line_bytes)
                for number, line in enumerate(lines):
                    await self._line("table_write_i", number, line)
            await self._until_settled("slot_free_o", 1)
            await self._parameters(tile)
            progress.pushed += 1

    async def _parameters(self, tile: Tile) -> None:
        """The tile is pushed with its last line."""
        self._dut.wide_i.value = int(tile.wide)
        self._dut.gelu_i.value = int(tile.table is not None)
        self._dut.tile_empty_i.value = int(tile.empty)
        for name in ("tokens", "addr", "slice"):
            getattr(self._dut, f"{name}_i").value = getattr(tile, name)
        for scale, lines in enumerate(tile.parameter_lines(self._config.line_bytes)):
            self._dut.param_scale_i.value = scale
            for number, line in enumerate(lines):
                last = bool(scale) and number + 1 == len(lines)
                await self._line("param_write_i", number, line, last)

    async def _line(self, enable: str, number: int, line: IntArray, push: bool = False) -> None:
        while self._rng.random() < self._gap_chance:
            await self._cycles.start()
        getattr(self._dut, enable).value = 1
        self._dut.push_i.value = int(push)
        self._dut.line_number_i.value = number
        self._dut.line_i.value = pack(line, 8)
        await self._cycles.start()
        getattr(self._dut, enable).value = 0
        self._dut.push_i.value = 0

    async def _until_settled(self, port: str, value: int) -> None:
        await self._cycles.settle()
        while int(getattr(self._dut, port).value) != value:
            await self._cycles.settled()
        await self._cycles.start()


class Summer:
    """Says that tiles are summed up, and answers reads of the two accumulator banks."""

    def __init__(
        self, dut: Any, cycles: Cycles, config: ArrayConfig, rng: np.random.Generator
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._cols = config.cols
        self._rng = rng
        self._banks: list[Tile | None] = [None, None]

    async def run(self, tiles: list[Tile], progress: Progress) -> None:
        waiting = deque(tiles)
        data = self._noise()
        while True:
            self._dut.acc_data_i.value = pack(data, 32)
            finished = waiting[0] if waiting and self._may_finish(waiting[0], progress) else None
            self._dut.done_i.value = int(finished is not None and not finished.empty)
            self._dut.empty_i.value = int(finished is not None and finished.empty)
            if finished is not None:
                self._dut.done_slot_i.value = finished.slot
                self._dut.empty_slot_i.value = finished.slot
            await self._cycles.settle()
            data = self._read(progress)
            await self._cycles.start()
            if finished is not None:
                self._banks[finished.slot & 1] = waiting.popleft()
                progress.done += 1

    def _noise(self) -> IntArray:
        return self._rng.integers(-(1 << 31), 1 << 31, self._cols)

    def _may_finish(self, tile: Tile, progress: Progress) -> bool:
        in_time = progress.pushed > tile.number and progress.freed + 2 > tile.number
        return in_time and bool(self._rng.random() < 0.3)

    def _read(self, progress: Progress) -> IntArray:
        if not int(self._dut.acc_read_o.value):
            return self._noise()
        progress.reads.append(self._cycles.count)
        tile = self._banks[int(self._dut.acc_bank_o.value)]
        if tile is None or tile.empty:
            return self._noise()
        return tile.sums[int(self._dut.acc_addr_o.value)]


class Checker:
    """Compares every write with the model."""

    def __init__(self, dut: Any, cycles: Cycles, model: Model, cols: int) -> None:
        self._dut = dut
        self._cycles = cycles
        self._model = model
        self._cols = cols

    async def run(self, tiles: list[Tile], progress: Progress) -> None:
        for tile in tiles:
            for expected in self._model.writes(tile):
                while not int(self._dut.write_o.value):
                    self._check_free(0, 0, "no write")
                    await self._cycles.settled()
                self._check_write(expected, progress.reads.popleft() + STAGES)
                self._check_free(int(expected.last), tile.slot, expected.index)
                progress.freed += expected.last
                await self._cycles.settled()
        for _ in range(DRAIN_CYCLES):
            write = int(self._dut.write_o.value)
            check("write[behind the last tile]", 0, write, self._cycles.count)
            await self._cycles.settled()

    def _check_write(self, expected: Write, due: int) -> None:
        cycle, place = self._cycles.count, f"[{expected.index}]"
        check(f"cycle of write{place}", due, cycle, cycle)
        check(f"write_wide{place}", int(expected.wide), int(self._dut.write_wide_o.value), cycle)
        check(f"write_addr{place}", expected.addr, int(self._dut.write_addr_o.value), cycle)
        check(f"write_slices{place}", expected.slices, int(self._dut.write_slices_o.value), cycle)
        actual = unpack(int(self._dut.write_data_o.value), 16, self._cols)
        check_array("results", expected.index, ("column",), expected.data, actual, cycle)

    def _check_free(self, expected: int, slot: int, index: str) -> None:
        free = int(self._dut.free_o.value)
        check(f"free[{index}]", expected, free, self._cycles.count)
        if free:
            actual = int(self._dut.free_slot_o.value)
            check(f"free_slot[{index}]", slot, actual, self._cycles.count)


async def _stall_writes(dut: Any, cycles: Cycles, rng: np.random.Generator, chance: float) -> None:
    while True:
        dut.write_grant_i.value = int(rng.random() >= chance)
        await cycles.start()


async def write_tiles(
    dut: Any, gap_chance: float, stall_chance: float, model_type: type[Model] = Model
) -> None:
    """Pass random tiles through the queue and the output stage."""
    settings = Settings.from_env()
    config = settings.config
    tiles = random_tiles(TILES, config, settings.generator())
    streams = np.random.SeedSequence(settings.seed).spawn(3)
    filling, summing, stalling = (np.random.default_rng(s) for s in streams)
    cycles, progress = Cycles(dut), Progress()
    for port in ("push", "table_write", "param_write", "done", "empty"):
        getattr(dut, f"{port}_i").value = 0
    await cycles.reset()
    filler = Filler(dut, cycles, config, filling, gap_chance)
    cocotb.start_soon(_stall_writes(dut, cycles, stalling, stall_chance))
    cocotb.start_soon(filler.run(tiles, progress))
    cocotb.start_soon(Summer(dut, cycles, config, summing).run(tiles, progress))
    await Checker(dut, cycles, model_type(), config.cols).run(tiles, progress)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def results_follow_without_stalls(dut: Any) -> None:
    """Parameters arrive at once, every write is granted."""
    await write_tiles(dut, gap_chance=0.0, stall_chance=0.0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def writes_and_parameters_wait(dut: Any) -> None:
    """Lines and write grants leave random cycles unused."""
    await write_tiles(dut, gap_chance=0.3, stall_chance=0.5)
