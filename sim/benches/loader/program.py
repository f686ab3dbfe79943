"""Random programs, and what the loader must make of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.program.isa import (
    MODES,
    NORM_BYTES,
    OPCODES,
    PARAM_BYTES,
    TABLE_BYTES,
    Instruction,
    encode,
    encode_tile,
)
from sim.benches.common.lanes import pack

IntArray = NDArray[np.int64]

KINDS = {"block": 0, "empty": 1, "vector": 2, "end": 3}
"""`core_pkg::item_kind_e`."""

LIVE_CHANCE = 0.6
"""Of an instruction behind a selection to take the counts of the live tokens."""

_FREE_FIELDS = {
    "wide": 1,
    "second": 1,
    "write": 1,
    "stats": 1,
    "fresh": 1,
    "valid": 16,
    "in_addr": 32,
    "in_stride": 16,
    "second_stride": 16,
    "out_addr": 32,
    "out_stride": 16,
    "shift": 6,
    "threshold": 8,
    "operand": 32,
}
"""Fields of vector instructions that the loader hands on, and their bits."""


@dataclass(frozen=True)
class Item:
    """What the issue stage receives; fields by port."""

    fields: dict[str, int]
    weights: IntArray | None = None  # (rows, cols) that the shadow registers must hold
    vector: int | None = None  # the bits of an instruction for the vector unit
    live: int | None = None  # tokens alive when it is done, of a SCORE

    def __str__(self) -> str:
        return next(kind for kind, code in KINDS.items() if code == self.fields["kind"])


@dataclass(frozen=True)
class Word:
    """A word of the stream for a memory."""

    place: str
    """features, residual or norm"""
    addr: int
    bank: int
    last: bool
    """of its instruction"""
    lines: tuple[IntArray, ...]

    @property
    def data(self) -> int:
        """Its bytes, the first in the lowest bits."""
        return pack(np.concatenate(self.lines), 8)


@dataclass
class Program:
    """A stream of lines and what follows from it, each list in order."""

    lines: list[IntArray] = field(default_factory=list)  # (bytes) each
    tables: list[tuple[int, IntArray]] = field(default_factory=list)  # number, line
    params: list[tuple[int, int, int, IntArray]] = field(default_factory=list)
    """slot, 1 for scales, number, line"""
    tiles: list[dict[str, int]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)


class Builder:
    """Adds instructions to a program.

    Args:
        memory: (words, word bytes) signed contents of activation memory; addresses wrap.
    """

    def __init__(self, config: ArrayConfig, memory: IntArray, rng: np.random.Generator) -> None:
        self.program = Program()
        self._config = config
        self._memory = memory
        self._rng = rng
        self._id = 0
        self._slot = 0
        self._bank = 0
        self._norms = 0
        self._live = 0

    def end(self) -> None:
        """An END instruction."""
        self._instruction(Instruction(OPCODES["END"], self._id))
        self.program.items.append(Item({"kind": KINDS["end"], "id": self._id}))
        self._id += 1

    def illegal(self, instruction: Instruction) -> int:
        """An instruction that is none, and lines behind it; its number."""
        self._instruction(replace(instruction, id=self._id))
        self._append(self._bytes(4 * self._config.line_bytes))
        return self._id

    def load(self) -> None:
        """A LOAD of a few words for the features or the residual memory."""
        rng, word = self._rng, self._config.word_bytes
        wide, count = int(rng.integers(2)), int(rng.integers(1, 5))
        first = int(rng.integers(1 << 20))
        self._instruction(
            Instruction(OPCODES["LOAD"], self._id, wide=wide, operand=count, out_addr=first)
        )
        for number in range(count):
            lines = tuple(self._append(self._bytes(word * (1 + wide))))
            place = "residual" if wide else "features"
            last = number + 1 == count
            self.program.words.append(Word(place, first + number, -1, last, lines))
        self._id += 1

    def start(self) -> None:
        """A new program."""
        self.program = Program()
        self._live = 0

    def selection(self) -> None:
        """A SCORE and its SELECT."""
        tokens = self.vector("SCORE")
        self._live = int(self._rng.integers(3, tokens + 1)) if tokens > 3 else tokens
        self.program.items[-1] = replace(self.program.items[-1], live=self._live)
        self.vector("SELECT", scored=tokens)

    def vector(self, name: str, scored: int = 0) -> int:
        """An instruction for the vector unit, with the parameters of a LAYERNORM; its tokens.

        Args:
            scored: tokens of the SCORE before a SELECT.
        """
        rng, config = self._rng, self._config
        live = int(self._live > 0 and name != "SELECT" and rng.random() < LIVE_CHANCE)
        tokens = int(rng.integers(1, config.acc_depth + 1))
        rows = int(rng.integers(1, 4))
        first_token = int(rng.integers(config.acc_depth - tokens + 1))
        taken, changed = tokens, {}
        if live:
            first_token = int(rng.integers(self._live)) if name == "MEAN" else 0
            taken = self._live - (first_token if name == "MEAN" else 0)
            tokens = int(rng.integers(taken, config.acc_depth + 1))
        if live and name == "SOFTMAX":
            changed = {"valid": self._live, "rows": -(-self._live // config.word_bytes)}
        taken = scored or taken
        instruction = Instruction(
            OPCODES[name],
            self._id,
            sums=int(rng.integers(2)),
            live=live,
            tokens=tokens,
            rows=rows,
            first_token=first_token,
            **{name: int(rng.integers(1 << bits)) for name, bits in _FREE_FIELDS.items()},
        )
        self._instruction(instruction)
        if name == "LAYERNORM":
            base = self._norms % 2 * config.norm_rows
            self._norms += 1
            for row in range(rows):
                for bank in range(NORM_BYTES // 2):
                    lines = tuple(self._append(self._bytes(2 * config.word_bytes)))
                    last = row + 1 == rows and bank + 1 == NORM_BYTES // 2
                    self.program.words.append(Word("norm", base + row, bank, last, lines))
        bits = pack(encode(replace(instruction, tokens=taken, **changed)), 32)
        self.program.items.append(Item({"kind": KINDS["vector"], "id": self._id}, vector=bits))
        self._id += 1
        return taken

    def matmul(self, mode: str) -> None:
        """A MATMUL instruction of random tiles."""
        rng, config = self._rng, self._config
        gelu = int(rng.random() < 0.3)
        live = int(self._live > 0 and rng.random() < LIVE_CHANCE)
        tokens = int(rng.integers(max(live * self._live, 1), config.acc_depth + 1))
        depth = int(rng.integers(1, 4))
        tiles = int(rng.integers(1, 5))
        if live:  # room for all live tokens
            depth = max(depth, -(-self._live // config.rows)) if mode == "ROWS" else depth
            tiles = max(tiles, -(-self._live // config.cols)) if mode == "COLUMNS" else tiles
        size = (depth * config.rows) if mode == "ROWS" else (tiles * config.cols)
        instruction = Instruction(
            OPCODES["MATMUL"],
            self._id,
            mode=MODES[mode],
            wide=int(rng.random() < 0.5),
            gelu=gelu,
            normal=int(rng.integers(2)),
            common_normal=int(rng.integers(2)),
            live=live,
            tokens=tokens,
            tiles=tiles,
            depth=int(rng.choice([0, 1, 9])) if mode == "STREAM" else depth,
            valid=0 if mode == "STREAM" else int(rng.integers(1, size + 1)),
            in_addr=int(rng.integers(1 << 20)),
            in_stride=int(rng.integers(1 << 16)),
            w_stride=int(rng.integers(1 << 16)),
            out_addr=int(rng.integers(1 << 20)),
            out_stride=int(rng.integers(1 << 16)),
            w_addr=int(rng.integers(1 << 20)),
        )
        self._instruction(instruction)
        taken = instruction
        if live:
            taken = replace(instruction, tokens=self._live, valid=self._live)
        if live and mode == "ROWS":
            taken = replace(taken, depth=-(-self._live // config.rows))
        if live and mode == "COLUMNS":
            taken = replace(taken, tiles=-(-self._live // config.cols))
        if gelu:
            self.program.tables += enumerate(self._append(self._bytes(TABLE_BYTES)))
        places = self._rng.permutation(tiles) if mode == "STREAM" else range(tiles)
        for tile, place in enumerate(places):
            if tile < taken.tiles:
                self._tile(taken, mode, tile, int(place))
            else:
                self._bytes_of_tile(0, int(place))
        self._id += 1

    def _bytes_of_tile(self, blocks: int, place: int) -> list[IntArray]:
        """Header, biases and scales of an output tile; the lines behind the header."""
        self._append(np.array([encode_tile(blocks, place)], "<u4").view(np.uint8))
        return self._append(self._bytes(self._config.cols * PARAM_BYTES))

    def _instruction(self, instruction: Instruction) -> None:
        """Lines of zeros may come before it."""
        self._append(np.zeros(int(self._rng.integers(3)) * self._config.line_bytes, np.uint8))
        self._append(np.array(encode(instruction), "<u4").view(np.uint8))

    def _bytes(self, count: int) -> NDArray[np.uint8]:
        return self._rng.integers(0, 256, count).astype(np.uint8)

    def _append(self, data: NDArray[np.uint8]) -> list[IntArray]:
        line = self._config.line_bytes
        padded = np.pad(data, (0, -data.size % line)).reshape(-1, line)
        lines = list(padded.astype(np.int64))
        self.program.lines += lines
        return lines

    def _tile(self, instruction: Instruction, mode: str, tile: int, place: int) -> None:
        config, rng = self._config, self._rng
        kept = list(range(instruction.depth))
        if mode == "STREAM":
            kept = sorted(rng.choice(32, int(rng.integers(4)), replace=False).tolist())
        lines = self._bytes_of_tile(len(kept), place)
        half = len(lines) // 2
        for number, line in enumerate(lines):
            self.program.params.append((self._slot, number // half, number % half, line))
        slices = config.word_bytes // config.cols
        out = instruction.out_addr + place // slices * instruction.out_stride
        self.program.tiles.append(
            {
                "slot": self._slot,
                "wide": instruction.wide,
                "gelu": instruction.gelu,
                "empty": int(not kept),
                "bank": self._bank,
                "tokens": instruction.tokens,
                "addr": out,
                "slice": place % slices,
            }
        )
        common = {
            "last": 1,
            "op_last": int(tile + 1 == instruction.tiles),
            "normal": instruction.normal,
            "common": 0,
            "wide": instruction.wide,
            "slot": self._slot,
            "bank": self._bank,
            "id": instruction.id,
            "tokens": instruction.tokens,
            "out_first": out,
            "out_end": out + instruction.tokens,
        }
        if not kept:
            self.program.items.append(Item({**common, "kind": KINDS["empty"], "first": 1}))
        for position, index in enumerate(kept):
            last = int(position + 1 == len(kept))
            fields = {
                **common,
                "kind": KINDS["block"],
                "first": int(position == 0),
                "last": last,
                "op_last": common["op_last"] & last,
                **self._source(instruction, mode, index),
            }
            weights = self._weights(instruction, mode, tile, index)
            self.program.items.append(Item(fields, weights))
        self._slot = (self._slot + 1) % 4
        self._bank ^= int(bool(kept))

    def _source(self, instruction: Instruction, mode: str, index: int) -> dict[str, int]:
        slices = self._config.word_bytes // self._config.rows
        if mode == "STREAM" and 0 < instruction.depth <= index:
            index -= instruction.depth
            return {
                "normal": instruction.common_normal,
                "common": 1,
                "in_addr": instruction.w_addr + index // slices * instruction.w_stride,
                "in_slice": index % slices,
            }
        return {
            "in_addr": instruction.in_addr + index // slices * instruction.in_stride,
            "in_slice": index % slices,
        }

    def _weights(self, instruction: Instruction, mode: str, tile: int, index: int) -> IntArray:
        config = self._config
        if mode == "STREAM":
            self._append(np.array([index], "<u4").view(np.uint8))
            payload = self._bytes(config.pes)
            self._append(payload)
            return payload.view(np.int8).reshape(config.rows, config.cols).astype(np.int64)
        if mode == "COLUMNS":  # K: a token a column
            return self._operand(instruction, tile * config.cols, config.cols, index, config.rows).T
        return self._operand(instruction, index * config.rows, config.rows, tile, config.cols)

    def _operand(
        self, instruction: Instruction, token: int, tokens: int, part: int, features: int
    ) -> IntArray:
        """Activations (tokens, features) from `token` on, the `part`-th of the features."""
        word_row, byte = divmod(part * features, self._config.word_bytes)
        first = instruction.w_addr + word_row * instruction.w_stride + token
        words = self._memory[(first + np.arange(tokens)) % len(self._memory)]
        values = words[:, byte : byte + features].copy()
        values[token + np.arange(tokens) >= instruction.valid] = 0
        return values
