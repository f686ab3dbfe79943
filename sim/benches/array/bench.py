"""Weights enter by rows, parts of rows and columns while tokens stream; sums against numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from sim.benches.array.plan import Block, Int8Array, Order, Plan, make_plan
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings

BLOCKS = 16


@dataclass(frozen=True)
class Result:
    """What left the array in a cycle and its tag in the cycle before."""

    cycle: int
    tag: dict[str, int]
    sums: NDArray[np.int64]  # (cols)


class Model:
    """Every token times the weights of its block, in order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def sums(self, block: Block) -> NDArray[np.int64]:
        """(tokens, cols)"""
        return block.tokens.astype(np.int64) @ block.weights.astype(np.int64)

    def tag(self, block: Block, token: int) -> dict[str, int]:
        last_token = token + 1 == len(block.tokens)
        return {
            "first": int(block.first),
            "last": int(block.last),
            "last_token": int(last_token),
            "slot": block.slot,
        }


class Driver:
    """Plays a plan; ports that do not count in a cycle carry noise."""

    def __init__(self, dut: Any, cycles: Cycles, plan: Plan, settings: Settings) -> None:
        self._dut = dut
        self._cycles = cycles
        self._plan = plan
        self._rng = settings.generator()
        self._rows, self._cols = settings.config.rows, settings.config.cols

    async def run(self, model: Model) -> None:
        for cycle in range(self._plan.cycles + 1):
            self._load(cycle)
            self._stream(cycle, model)
            await self._cycles.start()
        self._dut.tag_valid_i.value = 0

    def _noise(self, lanes: int) -> Int8Array:
        return self._rng.integers(-128, 128, lanes).astype(np.int8)

    def _load(self, cycle: int) -> None:
        row_mask, column_mask = np.zeros(self._rows, int), np.zeros(self._cols, int)
        row, column = self._noise(self._cols), self._noise(self._rows)
        by_column = bool(self._rng.integers(2))
        load = self._plan.loads.get(cycle)
        if load is not None:
            row_mask[load.rows], column_mask[load.columns] = 1, 1
            by_column = load.block.order is Order.COLUMNS
            if by_column:
                column = load.block.weights[:, load.columns]
            else:
                row[load.columns] = load.block.weights[load.rows, load.columns]
        self._dut.load_row_i.value = pack(row_mask, 1)
        self._dut.load_col_i.value = pack(column_mask, 1)
        self._dut.by_col_i.value = int(by_column)
        self._dut.row_i.value = pack(row, 8)
        self._dut.col_i.value = pack(column, 8)

    def _stream(self, cycle: int, model: Model) -> None:
        self._dut.swap_i.value = int(cycle in self._plan.swaps)
        now, before = self._plan.tags.get(cycle), self._plan.tags.get(cycle - 1)
        self._dut.tag_valid_i.value = int(now is not None)
        if now is not None:
            tag = model.tag(self._plan.blocks[now.block], now.token)
            for name, value in tag.items():
                getattr(self._dut, f"tag_{name}_i").value = value
        act = self._noise(self._rows)
        if before is not None:
            act = self._plan.blocks[before.block].tokens[before.token]
        self._dut.act_i.value = pack(act, 8)


class Monitor:
    """Collects tags and, a cycle after each, the sums."""

    def __init__(self, dut: Any, cycles: Cycles, cols: int) -> None:
        self._dut = dut
        self._cycles = cycles
        self._cols = cols
        self._tag: dict[str, int] | None = None

    async def next(self) -> Result:
        while True:
            await self._cycles.settled()
            tag, self._tag = self._tag, self._sample_tag()
            if tag is not None:
                sums = unpack(int(self._dut.sum_o.value), 32, self._cols)
                return Result(self._cycles.count, tag, sums)

    def _sample_tag(self) -> dict[str, int] | None:
        if not int(self._dut.tag_valid_o.value):
            return None
        names = ("first", "last", "last_token", "slot")
        return {name: int(getattr(self._dut, f"tag_{name}_o").value) for name in names}


class Checker:
    """Compares results with the model, token by token."""

    def __init__(self, model: Model, rows: int) -> None:
        self._model = model
        self._rows = rows

    async def run(self, monitor: Monitor) -> None:
        plan = self._model.plan
        expected_sums = [self._model.sums(block) for block in plan.blocks]
        for entered, token in plan.tags.items():
            result = await monitor.next()
            block = plan.blocks[token.block]
            index = f"block {token.block}, token {token.token}"
            for name, value in self._model.tag(block, token.token).items():
                check(f"tag.{name}[{index}]", value, result.tag[name], result.cycle)
            expected = expected_sums[token.block][token.token]
            check_array("sums", index, ("column",), expected, result.sums, result.cycle)
            leaves = entered + self._rows + 2
            check(f"cycle of sums[{index}]", leaves, result.cycle, result.cycle)


async def stream_blocks(
    dut: Any, plan: Plan, settings: Settings, model_type: type[Model] = Model
) -> None:
    """Play a plan and check all that leaves the array."""
    cycles = Cycles(dut)
    for port in ("swap_i", "tag_valid_i", "load_row_i", "load_col_i"):
        getattr(dut, port).value = 0
    await cycles.reset()
    model = model_type(plan)
    driver = Driver(dut, cycles, plan, settings)
    monitor = Monitor(dut, cycles, settings.config.cols)
    cocotb.start_soon(driver.run(model))
    await Checker(model, settings.config.rows).run(monitor)


def random_blocks(
    settings: Settings, rng: np.random.Generator, longest: int, values: tuple[int, ...] = ()
) -> list[Block]:
    """Blocks of 1 to `longest` tokens, of random int8 numbers or of `values` alone."""
    rows, cols = settings.config.rows, settings.config.cols

    def draw(*shape: int) -> Int8Array:
        choices = np.array(values) if values else np.arange(-128, 128)
        return rng.choice(choices, shape).astype(np.int8)

    return [
        Block(
            weights=draw(rows, cols),
            tokens=draw(int(rng.integers(1, longest + 1)), rows),
            order=list(Order)[rng.integers(len(Order))],
            slot=int(rng.integers(4)),
            first=bool(rng.integers(2)),
            last=bool(rng.integers(2)),
        )
        for _ in range(BLOCKS)
    ]


@cocotb.test(timeout_time=100, timeout_unit="us")
async def blocks_follow_without_a_gap(dut: Any) -> None:
    """The next weights are loaded right behind the swap, the next tokens follow at once."""
    settings = Settings.from_env()
    rng = settings.generator()
    blocks = random_blocks(settings, rng, longest=3 * settings.config.rows)
    await stream_blocks(dut, make_plan(blocks, rng, gap_chance=0.0), settings)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def tokens_and_weights_wait_at_random(dut: Any) -> None:
    """Loads and tokens leave random cycles unused."""
    settings = Settings.from_env()
    rng = settings.generator()
    blocks = random_blocks(settings, rng, longest=2 * settings.config.rows)
    await stream_blocks(dut, make_plan(blocks, rng, gap_chance=0.4), settings)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def extreme_products_add_up(dut: Any) -> None:
    """Weights and activations of -128 and 127 only."""
    settings = Settings.from_env()
    rng = settings.generator()
    blocks = random_blocks(settings, rng, longest=8, values=(-128, 127))
    await stream_blocks(dut, make_plan(blocks, rng, gap_chance=0.1), settings)
