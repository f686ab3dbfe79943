"""Random instructions for the vector unit, their operands, and what `hw.integer` makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.integer import (
    EPSILON_BITS,
    PROBABILITY_MULT_BITS,
    SHIFT_MAX,
    add,
    layernorm,
    mean_tokens,
    softmax,
)
from hw.program.isa import OPCODES, Instruction
from sim.benches.vector.selection import Selection, random_selection

IntArray = NDArray[np.integer[Any]]

STYLES = ("tiny", "usual", "full", "extreme", "constant")
OPERATIONS = ("add", "norm", "softmax", "mean", "store", "selection")
FOREIGN_ADD = 0.3
"""Chance of an addition between a layer norm and those that gather its sums."""
WORST_NORM_ROWS = 0.1
"""Chance of a layer norm of as many word rows as there may be."""
NORM_BEHIND = 0.5
"""Chance of a layer norm behind a selection or a mean, by the sums that these have gathered."""


@dataclass(frozen=True)
class Work:
    """An instruction and its results."""

    instruction: Instruction
    memory: str
    """Where its results go: residual, normal, store or nowhere."""
    results: IntArray | None = None
    """(word rows, tokens, features of a word); of a mean one token."""
    params: tuple[IntArray, IntArray] | None = None
    """Gains and offsets of a layer norm: (word rows, features of a word) each."""
    selection: Selection | None = None
    """Of a SCORE and a SELECT."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Tokens of a SELECT that stay, (tokens); of a MEAN none."""
        if self.selection is None:
            return np.zeros(self.instruction.tokens, np.bool_)
        return self.selection.kept

    def __str__(self) -> str:
        names = {code: name for name, code in OPCODES.items()}
        return f"{names[self.instruction.opcode]} {self.instruction.id}"


class Workload:
    """Draws operations; every operand has words of its own in the memories.

    Attributes:
        sums, residual: contents at the start, (words, features of a word).
        work: the instructions in order.
    """

    def __init__(self, config: ArrayConfig, rng: np.random.Generator) -> None:
        self._rng = rng
        self._word = config.word_bytes
        self._depth = config.acc_depth
        self._norm_rows = config.norm_rows
        self._used = {"sums": 0, "residual": 0, "normal": 0}
        self._pieces: dict[str, list[tuple[int, IntArray]]] = {"sums": [], "residual": []}
        self._package = False  # a selection has dropped tokens
        self.work: list[Work] = []

    def memory(self, name: str) -> IntArray:
        """Contents of the sums or the residual at the start; noise where no operand lies."""
        words = self._rng.integers(-(1 << 15), 1 << 15, (self._used[name] + 16, self._word))
        for first, values in self._pieces[name]:
            words[first : first + len(values)] = values
        return words

    def draw(self, operation: str) -> None:
        """Append the instructions of an operation: `OPERATIONS`."""
        getattr(self, f"_{operation}")()

    # Operands

    def _shape(self, most_rows: int = 4, least_tokens: int = 1) -> tuple[int, int, int]:
        """Tokens, word rows, features."""
        rng = self._rng
        most = 4 if rng.random() < 0.4 else self._depth
        tokens = int(rng.integers(least_tokens, most + 1))
        rows = int(rng.integers(1, most_rows + 1))
        features = rows * self._word - int(rng.integers(self._word)) * int(rng.integers(2))
        return tokens, rows, features

    def _values(self, tokens: int, features: int, style: str | None = None) -> IntArray:
        """(tokens, features) int16"""
        rng = self._rng
        shape = (tokens, features)
        match style or rng.choice(STYLES):
            case "tiny":
                return rng.integers(-3, 4, shape)
            case "usual":
                return rng.integers(-3000, 3000, shape) + rng.integers(-500, 500)
            case "full":
                return rng.integers(-(1 << 15), 1 << 15, shape)
            case "extreme":
                return rng.choice([-(1 << 15), (1 << 15) - 1], shape)
            case _:
                return np.full(shape, rng.choice([-(1 << 15), 0, 1, (1 << 15) - 1]))

    def _room(self, memory: str, tokens: int, rows: int) -> tuple[int, int]:
        """First word and stride of a new tensor."""
        stride = tokens + int(self._rng.integers(3))
        first = self._used[memory] + int(self._rng.integers(4))
        self._used[memory] = first + rows * stride
        return first, stride

    def _operand(self, memory: str, values: IntArray, rows: int) -> tuple[int, int]:
        """Place (tokens, features); noise fills the last word up. First word and stride."""
        tokens, features = values.shape
        first, stride = self._room(memory, tokens, rows)
        padded = self._rng.integers(-(1 << 15), 1 << 15, (tokens, rows * self._word))
        padded[:, :features] = values
        for row in range(rows):
            words = padded[:, row * self._word : (row + 1) * self._word]
            self._pieces[memory].append((first + row * stride, words))
        return first, stride

    def _rows(self, values: IntArray) -> IntArray:
        """(word rows, tokens, features of a word), 0 behind the last feature."""
        tokens, features = values.shape
        padded = np.pad(values, ((0, 0), (0, -features % self._word)))
        return padded.reshape(tokens, -1, self._word).transpose(1, 0, 2)

    def _append(
        self,
        opcode: str,
        memory: str,
        results: IntArray | None,
        params: tuple[IntArray, IntArray] | None = None,
        selection: Selection | None = None,
        **fields: int,
    ) -> None:
        instruction = Instruction(OPCODES[opcode], len(self.work), **fields)
        self.work.append(Work(instruction, memory, results, params, selection))

    # Operations

    def _add(self) -> None:
        """One operand or two, in place or not; without results now and then."""
        rng = self._rng
        tokens, rows, features = self._shape()
        a, b = (self._values(tokens, features) for _ in range(2))
        form = str(rng.choice(["copy sums", "copy residual", "two", "two in place"]))
        source = "sums" if form == "copy sums" else "residual"
        first, stride = self._operand(source, a, rows)
        fields = {"sums": int(source == "sums"), "in_addr": first, "in_stride": stride}
        result = a
        if form.startswith("two"):
            second, second_stride = self._operand("sums", b, rows)
            fields |= {"second": 1, "operand": second, "second_stride": second_stride}
            result = add(a, b)
        out = (first, stride) if form == "two in place" else self._room("residual", tokens, rows)
        write = bool(rng.random() < 0.9)
        self._append(
            "ADD", "residual" if write else "nowhere", self._rows(result) if write else None, None,
            None, write=int(write), tokens=tokens, rows=rows, valid=features,
            out_addr=out[0], out_stride=out[1], **fields,
        )  # fmt: skip

    def _norm(self) -> None:
        """Sums gathered in one of four ways, an addition apart from them, then the layer norm."""
        rng = self._rng
        tokens, rows, features = self._shape()
        if rng.random() < WORST_NORM_ROWS:
            tokens, rows = int(rng.integers(1, 4)), self._norm_rows
            features = rows * self._word - int(rng.integers(3))
        x = self._values(tokens, features)
        way = str(rng.choice(["whole", "tokens", "rows", "sums"]))
        if way == "rows":
            place = self._add_by_rows(x, rows)
            x = place[2]
        else:
            source = "sums" if way == "sums" else "residual"
            place = (*self._operand(source, x, rows), x)
            chunk = -(-tokens // 2) if way == "tokens" else tokens
            for token in range(0, tokens, chunk):
                self._append(
                    "ADD", "nowhere", None, sums=int(way == "sums"), stats=1, fresh=1,
                    tokens=min(chunk, tokens - token), first_token=token, rows=rows,
                    valid=features, in_addr=place[0] + token, in_stride=place[1],
                )  # fmt: skip
        if rng.random() < FOREIGN_ADD:
            self._add()
        self._normalize(x, rows, place, way == "sums")

    def _add_by_rows(self, x: IntArray, rows: int) -> tuple[int, int, IntArray]:
        """An addition for every word row; first word, stride and values of its result."""
        tokens, features = x.shape
        y = self._values(tokens, features)
        total = add(x, y)
        first, stride = self._operand("residual", x, rows)
        second, second_stride = self._operand("sums", y, rows)
        for row in range(rows):
            self._append(
                "ADD", "residual", self._rows(total)[row : row + 1], second=1, write=1, stats=1,
                fresh=int(row == 0), tokens=tokens, rows=1, valid=features - row * self._word,
                in_addr=first + row * stride, in_stride=stride, out_addr=first + row * stride,
                out_stride=stride, operand=second + row * second_stride,
                second_stride=second_stride,
            )  # fmt: skip
        return first, stride, total

    def _normalize(
        self, x: IntArray, rows: int, place: tuple[int, int, IntArray], sums: bool
    ) -> None:
        rng = self._rng
        tokens, features = x.shape
        wide = bool(rng.random() < 0.3)
        epsilon = max(int(rng.integers(1 << EPSILON_BITS)) >> int(rng.integers(EPSILON_BITS)), 1)
        shift = int(rng.integers(SHIFT_MAX + 1) if rng.random() < 0.2 else rng.integers(14, 24))
        gain = np.right_shift(rng.integers(-(1 << 15), 1 << 15, features), rng.integers(0, 12))
        offset = np.right_shift(rng.integers(-(1 << 31), 1 << 31, features), rng.integers(0, 24))
        memory = "residual" if wide else "normal"
        out, out_stride = self._room(memory, tokens, rows)
        result = layernorm(x, gain, offset, shift, epsilon, 16 if wide else 8)
        params = (self._rows(gain.reshape(1, -1))[:, 0], self._rows(offset.reshape(1, -1))[:, 0])
        self._append(
            "LAYERNORM", memory, self._rows(result), params, sums=int(sums), wide=int(wide),
            tokens=tokens, rows=rows, valid=features, in_addr=place[0], in_stride=place[1],
            second_stride=epsilon >> 32, operand=epsilon & 0xFFFFFFFF, shift=shift, out_addr=out,
            out_stride=out_stride,
        )  # fmt: skip

    def _softmax(self) -> None:
        rng = self._rng
        tokens, rows, features = self._shape()
        x = self._values(tokens, features)
        if rng.random() < 0.3:  # near each other, so that many shares count
            x = np.clip(int(rng.integers(-(1 << 15), 1 << 15)) + x % 700, -(1 << 15), (1 << 15) - 1)
        mult = int(rng.choice([127 << 12, 1, (1 << PROBABILITY_MULT_BITS) - 1, 40000]))
        first, stride = self._operand("sums", x, rows)
        out, out_stride = self._room("normal", tokens, rows)
        self._append(
            "SOFTMAX", "normal", self._rows(softmax(x, mult)), sums=1, tokens=tokens, rows=rows,
            valid=features, in_addr=first, in_stride=stride, out_addr=out, out_stride=out_stride,
            operand=mult,
        )  # fmt: skip

    def _mean(self) -> None:
        rng = self._rng
        tokens, rows, features = self._shape()
        x = self._values(tokens, features)
        source = str(rng.choice(["sums", "residual"]))
        first, stride = self._operand(source, x, rows)
        out, out_stride = self._room("residual", 1, rows)
        y = mean_tokens(x)
        self._append(
            "MEAN", "residual", self._rows(y), stats=1, fresh=1,
            sums=int(source == "sums"), tokens=tokens, rows=rows, valid=features, in_addr=first,
            in_stride=stride, out_addr=out, out_stride=out_stride,
        )  # fmt: skip
        if rng.random() < NORM_BEHIND:
            self._normalize(y, rows, (out, out_stride, y), False)

    def _selection(self) -> None:
        """Scores, then the tokens that they keep, in place or not; often a layer norm of these."""
        rng = self._rng
        tokens, rows, features = self._shape()
        x = self._values(tokens, features)
        selection = random_selection(x, self._package, rng)
        self._package |= not selection.kept.all()
        score_rows = -(-selection.keep.shape[1] // self._word)
        first, stride = self._operand("residual", selection.heads, score_rows)
        second, second_stride = self._operand("sums", selection.keep, score_rows)
        self._append(
            "SCORE", "nowhere", None, selection=selection, tokens=tokens, rows=score_rows,
            valid=selection.keep.shape[1], first_token=selection.prefix,
            threshold=selection.threshold, in_addr=first, in_stride=stride, operand=second,
            second_stride=second_stride,
        )  # fmt: skip
        place = self._operand("residual", x, rows)
        out = place if rng.random() < 0.5 else self._room("residual", tokens, rows)
        self._append(
            "SELECT", "residual", self._rows(selection.results), selection=selection, stats=1,
            fresh=1, tokens=tokens, rows=rows, valid=features, in_addr=place[0],
            in_stride=place[1], out_addr=out[0], out_stride=out[1],
        )  # fmt: skip
        if rng.random() < NORM_BEHIND:
            self._normalize(selection.results, rows, (*out, selection.results), False)

    def _store(self) -> None:
        """Whole words go to DRAM, with what lies behind the last feature."""
        tokens, rows, _ = self._shape()
        features = rows * self._word
        x = self._values(tokens, features)
        source = str(self._rng.choice(["sums", "residual"]))
        first, stride = self._operand(source, x, rows)
        self._append(
            "STORE", "store", self._rows(x), sums=int(source == "sums"), tokens=tokens, rows=rows,
            valid=features, in_addr=first, in_stride=stride,
            out_addr=int(self._rng.integers(1 << 20)) * 4096,
        )  # fmt: skip
