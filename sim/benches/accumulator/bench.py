"""Output tiles of random tokens and blocks; one bank is read out while the other adds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from hw.integer import wrap32
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings

TILES = 24
MOST_BLOCKS = 4
BLOCK_INTERVAL = 2
"""Least cycles from a block's first token to the next block's: no block loads in one cycle."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tile:
    """The array's sums of an output tile: (blocks, tokens, cols)."""

    number: int
    sums: IntArray

    @property
    def slot(self) -> int:
        return self.number % 4

    @property
    def tokens(self) -> int:
        return self.sums.shape[1]


class Model:
    """Sums over the blocks of a tile, in 32 bits."""

    def totals(self, tile: Tile) -> IntArray:
        """(tokens, cols)"""
        return wrap32(tile.sums.sum(axis=0))


class Adder:
    """Drives tags and, a cycle after each, sums; starts a tile once its bank has been read."""

    def __init__(self, dut: Any, cycles: Cycles, cols: int, rng: np.random.Generator) -> None:
        self._dut = dut
        self._cycles = cycles
        self._cols = cols
        self._rng = rng
        self._sum: IntArray | None = None
        self.tiles_read = 0

    async def run(self, tiles: list[Tile], gap_chance: float) -> None:
        for tile in tiles:
            while tile.number >= self.tiles_read + 2:
                await self._cycle()
            last_block = len(tile.sums) - 1
            for block, sums in enumerate(tile.sums):
                for token, values in enumerate(sums):
                    while self._rng.random() < gap_chance:
                        await self._cycle()
                    self._dut.tag_first_i.value = int(block == 0)
                    self._dut.tag_last_i.value = int(block == last_block)
                    self._dut.tag_last_token_i.value = int(token + 1 == tile.tokens)
                    self._dut.tag_slot_i.value = tile.slot
                    await self._cycle(values)
                for _ in range(tile.tokens, BLOCK_INTERVAL):
                    await self._cycle()
        await self._cycle()

    async def _cycle(self, tag_of: IntArray | None = None) -> None:
        """A cycle with the tag of these sums, if any, and the sums of the tag before."""
        noise = self._rng.integers(-100, 100, self._cols)
        self._dut.tag_valid_i.value = int(tag_of is not None)
        self._dut.sum_i.value = pack(noise if self._sum is None else self._sum, 32)
        self._sum = tag_of
        await self._cycles.start()


class Reader:
    """Reads out finished tiles at random, token by token, and compares them with the model."""

    def __init__(
        self, dut: Any, cycles: Cycles, cols: int, model: Model, rng: np.random.Generator
    ) -> None:
        self._dut = dut
        self._cycles = cycles
        self._cols = cols
        self._model = model
        self._rng = rng

    async def run(self, tiles: list[Tile], adder: Adder) -> None:
        waiting, finished = deque(tiles), deque[Tile]()
        asked: tuple[Tile, int] | None = None
        token = 0
        while adder.tiles_read < len(tiles):
            asked_before, asked = asked, None
            if finished and self._rng.random() < 0.8:
                asked = (finished[0], token)
                token += 1
            self._drive(asked)
            await self._cycles.settle()
            if asked_before is not None:
                self._check(*asked_before)
            if int(self._dut.tile_done_o.value):
                tile = waiting.popleft()
                place = f"tile_slot[tile {tile.number}]"
                check(place, tile.slot, int(self._dut.tile_slot_o.value), self._cycles.count)
                finished.append(tile)
            await self._cycles.start()
            if finished and token == finished[0].tokens:
                adder.tiles_read += 1
                finished.popleft()
                token = 0
        for tile in waiting:
            check(f"tile_done[tile {tile.number}]", 1, 0, self._cycles.count)

    def _drive(self, asked: tuple[Tile, int] | None) -> None:
        self._dut.read_i.value = int(asked is not None)
        if asked is not None:
            self._dut.read_bank_i.value = asked[0].slot & 1
            self._dut.read_addr_i.value = asked[1]

    def _check(self, tile: Tile, token: int) -> None:
        actual = unpack(int(self._dut.read_data_o.value), 32, self._cols)
        expected = self._model.totals(tile)[token]
        index = f"tile {tile.number}, token {token}"
        check_array("totals", index, ("column",), expected, actual, self._cycles.count)


async def add_tiles(dut: Any, longest: int | None, gap_chance: float, limit: int) -> None:
    """Pass random tiles through the accumulators.

    Args:
        longest: most tokens of a tile; None: what a bank holds.
        limit: largest magnitude of a sum.
    """
    settings = Settings.from_env()
    rng = settings.generator()
    cols = settings.config.cols
    most = longest or settings.config.acc_depth
    tiles = []
    for number in range(TILES):
        tokens = most if number == 0 else int(rng.integers(1, most + 1))
        shape = (int(rng.integers(1, MOST_BLOCKS + 1)), tokens, cols)
        tiles.append(Tile(number, rng.integers(-limit, limit, shape)))
    cycles = Cycles(dut)
    dut.tag_valid_i.value = 0
    dut.read_i.value = 0
    await cycles.reset()
    adder = Adder(dut, cycles, cols, settings.generator())
    adding = cocotb.start_soon(adder.run(tiles, gap_chance))
    await Reader(dut, cycles, cols, Model(), rng).run(tiles, adder)
    await adding


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def banks_take_turns(dut: Any) -> None:
    """Tiles up to the depth of a bank, with random cycles between tokens."""
    await add_tiles(dut, longest=None, gap_chance=0.2, limit=1 << 20)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def short_tiles_follow_at_once(dut: Any) -> None:
    """Tiles of few tokens; a tile's first block overwrites what another tile left."""
    await add_tiles(dut, longest=4, gap_chance=0.0, limit=1 << 20)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def totals_wrap_to_32_bits(dut: Any) -> None:
    """Sums so large that totals wrap."""
    await add_tiles(dut, longest=8, gap_chance=0.1, limit=1 << 31)
