"""What enters the array, cycle by cycle: weights as early and as late as its rules allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Int8Array = NDArray[np.int8]


class Order(Enum):
    """How the weights of a block are loaded."""

    ROWS = "rows"
    PARTS = "parts"  # of rows, as lines narrower than a row
    COLUMNS = "columns"


@dataclass(frozen=True)
class Block:
    """A weight block and the tokens that stream through it."""

    weights: Int8Array  # (rows, cols)
    tokens: Int8Array  # (tokens, rows)
    order: Order
    slot: int
    first: bool
    last: bool


@dataclass(frozen=True)
class Load:
    """Shadow weights written in a cycle: `weights[row_mask, column_mask]`."""

    block: Block
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Token:
    """A token by its block's number and its own."""

    block: int
    token: int


@dataclass
class Plan:
    """Inputs by cycle. A token's activations enter in the cycle after its tag."""

    blocks: list[Block]
    loads: dict[int, Load] = field(default_factory=dict)
    swaps: set[int] = field(default_factory=set)
    tags: dict[int, Token] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        return max((*self.loads, *self.tags)) + 1


def _steps(block: Block) -> list[Load]:
    rows, cols = block.weights.shape
    whole = slice(None)
    if block.order is Order.COLUMNS:
        return [Load(block, whole, slice(c, c + 1)) for c in range(cols)]
    parts = [whole] if block.order is Order.ROWS else [slice(0, cols // 2), slice(cols // 2, cols)]
    return [Load(block, slice(r, r + 1), part) for r in range(rows) for part in parts]


def make_plan(blocks: list[Block], rng: np.random.Generator, gap_chance: float) -> Plan:
    """Schedule blocks one after the other.

    A swap in cycle s reaches row r at the end of cycle s + 1 + r: from then on the row's next
    weight may be written, and until the end of the cycle before it must have been.

    Args:
        gap_chance: chance that a load or a token waits a cycle; 0 leaves no cycle unused.
    """
    plan = Plan(blocks)
    rows = blocks[0].weights.shape[0]

    def gap() -> int:
        return int(rng.geometric(1 - gap_chance)) - 1

    load_cycle, token_cycle, swap = 0, 0, -rows
    for number, block in enumerate(blocks):
        earliest = 0  # swap that finds every weight written
        for step in _steps(block):
            row = step.rows.start
            passed = swap + rows if row is None else swap + 1 + row
            load_cycle = max(load_cycle, passed) + gap()
            plan.loads[load_cycle] = step
            earliest = max(earliest, load_cycle - (row or 0))
            load_cycle += 1
        earliest = max(earliest, token_cycle)
        token_cycle = earliest + gap()
        swap = int(rng.integers(earliest, token_cycle + 1))
        plan.swaps.add(swap)
        for token in range(len(block.tokens)):
            if token:
                token_cycle += gap()
            plan.tags[token_cycle] = Token(number, token)
            token_cycle += 1
    return plan
