"""Live counts: the tokens that an image's selections leave, and instructions with these put in.

A `live` instruction holds the most tokens that there can be; the machine puts in those that there
are (`docs/isa.md`). Everything that follows a run in numbers does the same here, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Network, TokenSelect
from hw.program.isa import MODES, OPCODES, Instruction
from hw.program.schedule import Schedule

IntArray = NDArray[np.int64]

COUNTS = ("tokens", "tiles", "depth", "valid", "rows")
"""Fields of an instruction that may depend on the live count."""

LiveCounts = Mapping[str, int]
"""Tokens that come out of every `TokenSelect`, its package token included, by its name."""


def all_live(network: Network) -> dict[str, int]:
    """The live counts of an image of which no token is dropped."""
    ops = (op for op in network.ops if isinstance(op, TokenSelect))
    return {op.name: network.tensors[op.output].tokens for op in ops}


def counted(network: Network, tensors: Mapping[str, NDArray[np.integer[Any]]]) -> dict[str, int]:
    """The live counts of a run, from its tensors (tokens, features)."""
    ops = (op for op in network.ops if isinstance(op, TokenSelect))
    return {op.name: len(tensors[op.output]) for op in ops}


def tensor_tokens(network: Network, live: LiveCounts) -> dict[str, int]:
    """Tokens of every tensor of a run."""
    return {
        name: live[source] if source else network.tensors[name].tokens
        for name, source in network.selected_by().items()
    }


class LiveProgram:
    """The instructions of a schedule, for any live counts.

    Args:
        network: what the schedule is of.
        schedule: instructions with the most tokens.
    """

    def __init__(self, network: Network, schedule: Schedule) -> None:
        self.config: ArrayConfig = schedule.config
        self._instructions = schedule.instructions
        table = np.array(
            [
                [i.opcode, i.mode, i.live, i.first_token, *(getattr(i, name) for name in COUNTS)]
                for i in self._instructions
            ],
            np.int64,
        )
        self._opcode, self._mode, self._live, self._first = table[:, :4].T
        self._most = dict(zip(COUNTS, table[:, 4:].T, strict=True))
        scores = np.flatnonzero(self._opcode == OPCODES["SCORE"])
        owners = (schedule.entries[i].op for i in scores)
        self._selections = [network.ops[op].name for op in owners if op is not None]
        # The selection whose count an instruction takes: the last one whose SCORE is before it, or
        # -1, where no instruction is live.
        self._number = np.searchsorted(scores, np.arange(len(table))) - 1

    def counts(self, live: LiveCounts) -> dict[str, IntArray]:
        """`COUNTS` of every instruction as the machine takes them, in the order of the program."""
        counts = {name: most.copy() for name, most in self._most.items()}
        if not self._selections:
            return counts
        word, rows, cols = self.config.word_bytes, self.config.rows, self.config.cols
        alive = np.array([live[name] for name in self._selections], np.int64)[self._number]
        takes, array = self._live == 1, self._opcode == OPCODES["MATMUL"]
        mean, select = (self._opcode == OPCODES[name] for name in ("MEAN", "SELECT"))
        by_row = takes & array & (self._mode == MODES["ROWS"])
        by_column = takes & array & (self._mode == MODES["COLUMNS"])
        softmax = takes & (self._opcode == OPCODES["SOFTMAX"])
        keys = by_row | by_column | softmax
        tokens = alive - np.where(mean, self._first, 0)
        counts["tokens"] = np.where(takes, tokens, counts["tokens"])
        counts["valid"] = np.where(keys, alive, counts["valid"])
        counts["depth"][by_row] = -(-alive[by_row] // rows)
        counts["tiles"][by_column] = -(-alive[by_column] // cols)
        counts["rows"][softmax] = -(-alive[softmax] // word)
        counts["tokens"][select] = counts["tokens"][np.flatnonzero(select) - 1]
        return counts

    def instructions(self, live: LiveCounts) -> list[Instruction]:
        """Every instruction with the counts that the machine takes."""
        counts = self.counts(live)
        return [
            replace(instruction, **{name: int(counts[name][i]) for name in COUNTS})
            for i, instruction in enumerate(self._instructions)
        ]
