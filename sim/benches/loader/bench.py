"""Programs stream in; tables, words, tiles, shadow weights and items come out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from hw.config import ArrayConfig
from hw.program.isa import OPCODES, Instruction
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.lanes import pack, unpack
from sim.benches.common.settings import Settings
from sim.benches.loader.illegal import illegal_instructions
from sim.benches.loader.program import KINDS, Builder, IntArray, Item, Program, Word

INSTRUCTIONS = 12
NORM_DONE_CHANCE = 0.002
"""That a layer norm is done in a cycle."""
SCORE_DONE_CHANCE = 0.02
LAST_NORMS = 4
"""Layer norms one after another: the third waits for the first to be done."""
SELECTION_CHANCE = 0.15
MATMUL_CHANCE = 0.6
LOAD_CHANCE = 0.3
VECTOR_OPERATIONS = ("ADD", "LAYERNORM", "SOFTMAX", "MEAN", "STORE", "LAYERNORM")
REFUSAL_CYCLES = 150
MEMORY_WORDS = 509
"""A prime, so that addresses of different words rarely meet."""


class Driver:
    """Offers lines and grants at random; ports that do not count carry noise."""

    def __init__(
        self,
        dut: Any,
        program: Program,
        config: ArrayConfig,
        rng: np.random.Generator,
        wait_chance: float,
    ) -> None:
        self._dut = dut
        self._lines = iter(program.lines)
        self._line = next(self._lines, None)
        self._config = config
        self._rng = rng
        self._wait_chance = wait_chance
        self._counts = deque(item.live for item in program.items if item.live)
        self._scores = 0  # taken and not done
        self.norms = 0
        """Layer norms whose parameters are complete, and which are not done."""

    def drive(self) -> None:
        """At the start of a cycle."""
        valid = self._line is not None and self._grants()
        noise = self._rng.integers(0, 256, self._config.line_bytes)
        self._dut.line_valid_i.value = int(valid)
        self._dut.line_i.value = pack(self._line if valid and self._line is not None else noise, 8)
        self._dut.slot_free_i.value = int(self._grants())
        self._dut.gelu_busy_i.value = int(not self._grants())
        self._dut.read_grant_i.value = int(self._grants())
        self._dut.read_hazard_i.value = int(not self._grants())
        self._dut.idle_i.value = int(self._grants())
        free = self.norms and self._rng.random() < NORM_DONE_CHANCE
        self.norms -= int(free)
        self._dut.norm_free_i.value = int(free)
        scored = self._scores and self._rng.random() < SCORE_DONE_CHANCE
        self._scores -= int(scored)
        self._dut.live_valid_i.value = int(scored)
        self._dut.live_i.value = self._counts.popleft() if scored else 0xFFFF
        # Registered outputs: they hold from the start of the cycle.
        take = int(self._dut.item_valid_o.value) and self._grants()
        self._dut.item_take_i.value = int(take)
        block = int(self._dut.item_kind_o.value) == KINDS["block"]
        self._dut.block_take_i.value = int(take and block)
        vector = int(self._dut.item_kind_o.value) == KINDS["vector"]
        opcode = int(self._dut.vector_o.value) & 0xFF
        self._scores += int(bool(take and vector and opcode == OPCODES["SCORE"]))

    def settled(self) -> None:
        """In the middle of a cycle: was the line taken?"""
        if int(self._dut.line_pop_o.value):
            self._line = next(self._lines, None)

    def _grants(self) -> bool:
        return bool(self._rng.random() >= self._wait_chance)


class Shadow:
    """The shadow weights of the array, written as the core wires them.

    Args:
        memory: (words, word bytes) activation memory.
    """

    def __init__(self, dut: Any, config: ArrayConfig, memory: IntArray) -> None:
        self._dut = dut
        self._config = config
        self._memory = memory
        self._word = np.zeros(config.word_bytes, np.int64)
        self._guarded = True  # the word lay in the range whose hazards are checked
        self._swap = -config.rows
        self.weights = np.zeros((config.rows, config.cols), np.int64)

    def cycle(self, cycle: int) -> None:
        """Write what the ports ask for, then read the next word."""
        rows, cols = self._config.rows, self._config.cols
        row_mask = unpack(int(self._dut.load_row_o.value), 1, rows) != 0
        col_mask = unpack(int(self._dut.load_col_o.value), 1, cols) != 0
        if row_mask.any() and col_mask.any():
            last = int(np.flatnonzero(row_mask)[-1])
            place = f"load_row[row {last}] after the swap has passed it"
            check(place, True, cycle >= self._swap + 1 + last, cycle)
            if not int(self._dut.load_stream_o.value) and not int(self._dut.load_zero_o.value):
                check("read_end behind the words in use", True, self._guarded, cycle)
            self.weights[np.ix_(row_mask, col_mask)] = self._values()[np.ix_(row_mask, col_mask)]
        if int(self._dut.read_o.value) and int(self._dut.read_grant_i.value):
            address = int(self._dut.read_addr_o.value)
            self._word = self._memory[address % len(self._memory)]
            self._guarded = address < int(self._dut.read_end_o.value)

    def _values(self) -> IntArray:
        """(rows, cols) that the write would put everywhere."""
        rows, cols, line = self._config.rows, self._config.cols, self._config.line_bytes
        part = int(self._dut.load_slice_o.value)
        if int(self._dut.load_stream_o.value):
            values = np.tile(unpack(int(self._dut.load_line_o.value), 8, line), cols // line)
        elif int(self._dut.load_zero_o.value):
            values = np.zeros(cols, np.int64)
        elif int(self._dut.by_col_o.value):
            column = self._word[part * rows : (part + 1) * rows]
            return np.repeat(column[:, None], cols, axis=1)
        else:
            values = self._word[part * cols : (part + 1) * cols]
        return np.repeat(values[None], rows, axis=0)

    def taken(self, cycle: int) -> None:
        """The block at hand has been taken in `cycle`; its swap enters the array one later."""
        self._swap = cycle + 1


class Words:
    """Compares the words for a memory: every line, then the word a cycle after its last line."""

    def __init__(self, dut: Any, program: Program, config: ArrayConfig, driver: Driver) -> None:
        self._dut = dut
        self._word_bits = 8 * config.word_bytes
        self._driver = driver
        parts = [(word, n) for word in program.words for n in range(len(word.lines))]
        self._parts = deque(parts)
        self._due: Word | None = None

    def cycle(self, cycle: int) -> None:
        self._check_write(cycle)
        self._due = None
        if not int(self._dut.word_part_o.value):
            return
        word, number = self._parts.popleft()
        place = f"{word.place} word {word.addr}"
        line = hex(int(self._dut.line_i.value))
        check(f"line {number} of {place}", hex(pack(word.lines[number], 8)), line, cycle)
        if word.place == "norm":
            check(f"norms at work before {place}", True, self._driver.norms < 2, cycle)
        else:
            check(f"idle before {place}", 1, int(self._dut.idle_i.value), cycle)
        if number + 1 == len(word.lines):
            self._due = word
            self._driver.norms += word.place == "norm" and word.last

    def _check_write(self, cycle: int) -> None:
        place = self._due.place if self._due else ""
        for name in ("features", "residual", "norm"):
            actual = int(getattr(self._dut, f"word_{name}_o").value)
            check(f"word_{name}", int(name == place), actual, cycle)
        if self._due is None:
            return
        check(f"word_addr of {place}", self._due.addr, int(self._dut.word_addr_o.value), cycle)
        data = int(self._dut.word_data_o.value)
        if place == "norm":
            check("word_bank", self._due.bank, int(self._dut.word_bank_o.value), cycle)
        if place == "features":
            data >>= self._word_bits
        check(f"word of {place} {self._due.addr}", hex(self._due.data), hex(data), cycle)


class Checker:
    """Compares all outputs with the program's expectations, each kind in order."""

    def __init__(
        self, dut: Any, program: Program, config: ArrayConfig, shadow: Shadow, driver: Driver
    ) -> None:
        self._dut = dut
        self._shadow = shadow
        self._tables = enumerate(program.tables)
        self._params = enumerate(program.params)
        self._tiles = enumerate(program.tiles)
        self._items = enumerate(program.items)
        self._words = Words(dut, program, config, driver)
        self.items_left = len(program.items)

    def cycle(self, cycle: int) -> None:
        if int(self._dut.table_write_o.value):
            write, (number, line) = next(self._tables)
            self._line(f"table[write {write}]", number, line, cycle)
        if int(self._dut.param_write_o.value):
            write, (slot, scale, number, line) = next(self._params)
            place = f"{'scales' if scale else 'biases'}[write {write}]"
            check(f"slot of {place}", slot, int(self._dut.slot_o.value), cycle)
            check(f"param_scale of {place}", scale, int(self._dut.param_scale_o.value), cycle)
            self._line(place, number, line, cycle)
        if int(self._dut.tile_push_o.value):
            number, fields = next(self._tiles)
            slot = fields.pop("slot")
            check(f"slot[tile {number}]", slot, int(self._dut.slot_o.value), cycle)
            self._fields("tile", f"tile {number}", fields, cycle)
        self._words.cycle(cycle)
        self._shadow.cycle(cycle)
        if int(self._dut.item_take_i.value):
            number, item = next(self._items)
            self._item(number, item, cycle)

    def _line(self, place: str, number: int, line: IntArray, cycle: int) -> None:
        check(f"line_number of {place}", number, int(self._dut.line_number_o.value), cycle)
        actual = int(self._dut.line_i.value)
        check(f"line of {place}", hex(pack(line, 8)), hex(actual), cycle)

    def _fields(self, group: str, index: str, fields: dict[str, int], cycle: int) -> None:
        for name, expected in fields.items():
            actual = int(getattr(self._dut, f"{group}_{name}_o").value)
            check(f"{group}.{name}[{index}]", expected, actual, cycle)

    def _item(self, number: int, item: Item, cycle: int) -> None:
        self._fields("item", f"item {number}, {item}", item.fields, cycle)
        if item.vector is not None:
            actual = int(self._dut.vector_o.value)
            check(f"vector[item {number}]", hex(item.vector), hex(actual), cycle)
        if item.weights is not None:
            axes = ("row", "column")
            check_array(
                "weights", f"item {number}", axes, item.weights, self._shadow.weights, cycle
            )
            self._shadow.taken(cycle)
        self.items_left -= 1


def _idle_inputs(dut: Any) -> None:
    for port in ("start", "line_valid", "item_take", "block_take", "norm_free", "live_valid"):
        getattr(dut, f"{port}_i").value = 0


def _random_instructions(builder: Builder, rng: np.random.Generator, modes: Sequence[str]) -> None:
    for _ in range(INSTRUCTIONS):
        if rng.random() < SELECTION_CHANCE:
            builder.selection()
        elif rng.random() < MATMUL_CHANCE:
            builder.matmul(str(rng.choice(modes)))
        elif rng.random() < LOAD_CHANCE:
            builder.load()
        else:
            builder.vector(str(rng.choice(VECTOR_OPERATIONS)))


async def load_program(dut: Any, modes: Sequence[str], wait_chance: float) -> None:
    """Stream two random programs of these modes, one after the other, and check what comes out."""
    settings = Settings.from_env()
    config, rng = settings.config, settings.generator()
    memory = rng.integers(-128, 128, (MEMORY_WORDS, config.word_bytes))
    builder = Builder(config, memory, rng)
    cycles = Cycles(dut)
    _idle_inputs(dut)
    await cycles.reset()
    for _ in range(2):
        builder.start()
        _random_instructions(builder, rng, modes)
        for _ in range(LAST_NORMS):
            builder.vector("LAYERNORM")
        builder.end()
        await _start(dut, cycles)
        driver = Driver(dut, builder.program, config, settings.generator(), wait_chance)
        shadow = Shadow(dut, config, memory)
        checker = Checker(dut, builder.program, config, shadow, driver)
        while checker.items_left or driver.norms:
            driver.drive()
            await cycles.settle()
            checker.cycle(cycles.count)
            driver.settled()
            await cycles.start()


async def _start(dut: Any, cycles: Cycles) -> None:
    _idle_inputs(dut)
    dut.start_i.value = 1
    await cycles.start()
    dut.start_i.value = 0


async def refuse(dut: Any, cycles: Cycles, name: str, instruction: Instruction) -> None:
    """Stream an instruction behind others: it must be refused, and nothing after it be taken."""
    settings = Settings.from_env()
    config, rng = settings.config, settings.generator()
    memory = np.zeros((MEMORY_WORDS, config.word_bytes), np.int64)
    builder = Builder(config, memory, rng)
    builder.load()
    builder.vector("ADD")
    number = builder.illegal(instruction)
    _idle_inputs(dut)
    await cycles.reset()
    driver = Driver(dut, builder.program, config, rng, wait_chance=0.2)
    refused = 0
    for _ in range(REFUSAL_CYCLES):
        driver.drive()
        await cycles.settle()
        refused += int(dut.illegal_o.value)
        if refused:
            check(f"illegal[{name}]", 1, int(dut.illegal_o.value), cycles.count)
            check(f"id[{name}]", number, int(dut.id_o.value), cycles.count)
            check(f"line_pop[{name}]", 0, int(dut.line_pop_o.value), cycles.count)
        driver.settled()
        await cycles.start()
    check(f"illegal[{name}] at the end", True, refused > 0, cycles.count)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def weights_from_the_stream(dut: Any) -> None:
    """Nothing waits: kept blocks alone, with their indices."""
    await load_program(dut, ("STREAM",), wait_chance=0.0)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def weights_from_the_features(dut: Any) -> None:
    """Nothing waits: K by columns, V by rows, zeros behind the last token."""
    await load_program(dut, ("ROWS", "COLUMNS"), wait_chance=0.0)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def everything_waits_at_random(dut: Any) -> None:
    """All modes, with random waits at every handshake."""
    await load_program(dut, ("STREAM", "ROWS", "COLUMNS"), wait_chance=0.4)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def illegal_instructions_are_refused(dut: Any) -> None:
    """Each stops the loader, which says so and names it."""
    cycles = Cycles(dut)
    for name, instruction in illegal_instructions(Settings.from_env().config).items():
        await refuse(dut, cycles, name, instruction)
