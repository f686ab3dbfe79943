"""Instructions of single operations, given where their tensors lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.integer import EPSILON_BITS, PROBABILITY_MULT_BITS
from hw.ir import Attend, LayerNorm, Linear, MeanTokens, Network, Op, Scores, SelectToken, Softmax
from hw.program.isa import MODES, OPCODES, Instruction
from hw.program.layout import Memory, Placement
from hw.program.schedule import Entry, Schedule, tile_grid


def _chunks(tokens: int, depth: int) -> list[tuple[int, int]]:
    """(first token, tokens) of nearly equal parts that fit the accumulators."""
    count = -(-tokens // depth)
    edges = [tokens * i // count for i in range(count + 1)]
    return [(a, b - a) for a, b in pairwise(edges)]


@dataclass(frozen=True)
class OpLowering:
    """Instructions of single operations, given where tensors lie."""

    network: Network
    config: ArrayConfig
    placements: dict[str, Placement]

    def place(self, name: str) -> Placement:
        return self.placements[name]

    def chunks(self, tokens: int) -> list[tuple[int, int]]:
        return _chunks(tokens, self.config.acc_depth)

    # Array

    def linear(self, index: int, chunk: tuple[int, int], row: int | None = None) -> Iterator[Entry]:
        """A linear layer on some tokens: all output tiles, or those of one word row."""
        op = self.network.ops[index]
        assert isinstance(op, Linear)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        self._check_int8(op, source)
        tiles = range(tile_grid(op, Schedule(self.config, self.placements))[1])
        if row is not None:
            slices = self.config.word_bytes // self.config.cols
            tiles = tiles[row * slices : (row + 1) * slices]
        yield self._matmul(
            index,
            chunk,
            source.base,
            target.base + (row or 0) * target.stride,
            row or 0,
            tuple(tiles),
            mode=MODES["STREAM"],
            gelu=int(op.gelu),
            tiles=len(tiles),
        )

    def scores(self, index: int, head: int) -> Iterator[Entry]:
        op = self.network.ops[index]
        assert isinstance(op, Scores)
        config = self.config
        qkv, target = self.place(op.inputs[0]), self.place(op.output)
        for chunk in self.chunks(qkv.tokens):
            yield self._matmul(
                index,
                chunk,
                qkv.group_address(head),
                target.group_address(head),
                head * target.group_words,
                mode=MODES["COLUMNS"],
                tiles=-(-target.written_features(config.word_bytes) // config.cols),
                depth=-(-qkv.group_features // config.rows),
                valid=qkv.tokens,
                w_addr=qkv.group_address(op.heads + head),
                w_stride=qkv.stride,
            )

    def attend(self, index: int, head: int) -> Iterator[Entry]:
        op = self.network.ops[index]
        assert isinstance(op, Attend)
        config = self.config
        shares, qkv = (self.place(name) for name in op.inputs)
        target = self.place(op.output)
        for chunk in self.chunks(shares.tokens):
            yield self._matmul(
                index,
                chunk,
                shares.group_address(head),
                target.group_address(head),
                head * target.group_words,
                mode=MODES["ROWS"],
                tiles=-(-target.written_features(config.word_bytes) // config.cols),
                depth=-(-qkv.tokens // config.rows),
                valid=qkv.tokens,
                w_addr=qkv.group_address(2 * op.heads + head),
                w_stride=qkv.stride,
            )

    def _check_int8(self, op: Op, source: Placement) -> None:
        if source.memory.wide:
            raise UserError(f"{op.name}: reads an int16 tensor, the array takes int8")

    def _matmul(
        self,
        index: int,
        chunk: tuple[int, int],
        in_addr: int,
        out_addr: int,
        first_row: int,
        stream_tiles: tuple[int, ...] = (),
        **fields: int,
    ) -> Entry:
        op = self.network.ops[index]
        source, target = self.place(op.inputs[0]), self.place(op.output)
        first, tokens = chunk
        instruction = Instruction(
            OPCODES["MATMUL"],
            tokens=tokens,
            wide=int(target.memory.wide),
            normal=int(source.memory is Memory.NORMAL),
            in_addr=in_addr + first,
            in_stride=source.stride,
            out_addr=out_addr + first,
            out_stride=target.stride,
            **fields,
        )
        return Entry(instruction, index, op.output, first_row, first, stream_tiles)

    # Vector unit

    def _vector(
        self,
        opcode: str,
        index: int,
        source: Placement,
        target: Placement | None,
        chunk: tuple[int, int],
        row: int | None = None,
        out_token: int | None = None,
        **fields: int,
    ) -> Entry:
        """An instruction for some tokens of all word rows, or of one.

        Args:
            chunk: first token and tokens of the source.
            out_token: first token of the target, when it differs.
        """
        op = self.network.ops[index]
        first, tokens = chunk
        out_first = first if out_token is None else out_token
        word = self.config.word_bytes
        first_row, rows = (0, source.word_rows) if row is None else (row, 1)
        instruction = Instruction(
            OPCODES[opcode],
            sums=int(source.memory is Memory.SUMS),
            tokens=tokens,
            rows=rows,
            valid=source.features - first_row * word,
            in_addr=source.base + first_row * source.stride + first,
            in_stride=source.stride,
        )
        if target is not None:
            instruction = replace(
                instruction,
                out_addr=target.base + first_row * target.stride + out_first,
                out_stride=target.stride,
            )
        instruction = replace(instruction, **fields)
        output = None if target is None else op.output
        return Entry(instruction, index, output, first_row, out_first)

    def add(
        self, index: int, chunk: tuple[int, int], row: int | None = None, stats: bool = False
    ) -> Iterator[Entry]:
        """A residual addition, gathering sums for a layer norm where asked."""
        op = self.network.ops[index]
        target = self.place(op.output)
        a, b = (self.place(name) for name in op.inputs)
        if a.memory is Memory.RESIDUAL and b.memory is Memory.RESIDUAL:
            raise UserError(f"{op.name}: adds two results of the vector unit, which it cannot")
        if a.memory is Memory.SUMS and b.memory is Memory.SUMS:
            yield self._vector("ADD", index, a, target, chunk, row, write=1)
            a = target
        elif a.memory is Memory.SUMS:
            a, b = b, a
        yield self._vector(
            "ADD", index, a, target, chunk, row, write=1, stats=int(stats),
            fresh=int(stats and not row), **self._second(b, chunk[0], row),
        )  # fmt: skip

    def embed(
        self, index: int, chunk: tuple[int, int], row: int | None = None, stats: bool = False
    ) -> Iterator[Entry]:
        """Positions, which the embedding's place already holds, and patch tokens."""
        op = self.network.ops[index]
        target, patches = self.place(op.output), self.place(op.inputs[0])
        prefix = target.tokens - patches.tokens
        fresh = int(stats and not row)
        if stats and prefix and chunk[0] == 0:
            yield replace(
                self._vector("ADD", index, target, target, (0, prefix), row, stats=1, fresh=fresh),
                output=None,
            )
        first, tokens = chunk
        yield self._vector(
            "ADD", index, target, target, (prefix + first, tokens), row, write=1,
            stats=int(stats), fresh=fresh, first_token=prefix if stats else 0,
            **self._second(patches, first, row),
        )  # fmt: skip

    def _second(self, operand: Placement, first: int, row: int | None) -> dict[str, int]:
        return {
            "second": 1,
            "operand": operand.base + (row or 0) * operand.stride + first,
            "second_stride": operand.stride,
        }

    def layernorm(self, index: int, chunk: tuple[int, int], gathered: bool) -> Iterator[Entry]:
        """A layer norm, with the sums of its tokens unless they are gathered already."""
        op = self.network.ops[index]
        assert isinstance(op, LayerNorm)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        if source.word_rows > self.config.norm_rows:
            raise UserError(
                f"{op.name}: normalizes {source.features} features, the machine at most "
                f"{self.config.norm_rows * self.config.word_bytes}"
            )
        if op.epsilon >> EPSILON_BITS:
            raise UserError(f"{op.name}: epsilon={op.epsilon} has more than {EPSILON_BITS} bits")
        if not gathered:
            yield self._vector("ADD", index, source, None, chunk, stats=1, fresh=1)
        yield self._vector(
            "LAYERNORM", index, source, target, chunk, wide=int(target.memory.wide),
            shift=op.shift, second_stride=op.epsilon >> 32, operand=op.epsilon & 0xFFFFFFFF,
        )  # fmt: skip

    def softmax(self, index: int, head: int) -> Iterator[Entry]:
        op = self.network.ops[index]
        assert isinstance(op, Softmax)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        if op.probability_mult >> PROBABILITY_MULT_BITS:
            raise UserError(
                f"{op.name}: probability_mult={op.probability_mult} has more than "
                f"{PROBABILITY_MULT_BITS} bits"
            )
        for first, tokens in self.chunks(source.tokens):
            instruction = Instruction(
                OPCODES["SOFTMAX"],
                sums=1,
                tokens=tokens,
                rows=source.group_words,
                valid=source.group_features,
                in_addr=source.group_address(head) + first,
                in_stride=source.stride,
                out_addr=target.group_address(head) + first,
                out_stride=target.stride,
                operand=op.probability_mult,
            )
            yield Entry(instruction, index, op.output, head * target.group_words, first)

    def select(self, index: int) -> Iterator[Entry]:
        op = self.network.ops[index]
        assert isinstance(op, SelectToken)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        yield self._vector("ADD", index, source, target, (op.index, 1), out_token=0, write=1)

    def mean(self, index: int) -> Iterator[Entry]:
        op = self.network.ops[index]
        assert isinstance(op, MeanTokens)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        chunk = (op.start, source.tokens - op.start)
        yield self._vector("MEAN", index, source, target, chunk, out_token=0)

    # Before and after

    def load(self, name: str, index: int | None) -> Entry:
        """Words of the stream into a tensor's place."""
        place = self.place(name)
        instruction = Instruction(
            OPCODES["LOAD"], wide=int(place.memory.wide), out_addr=place.base, operand=place.words
        )
        return Entry(instruction, index, name)

    def store(self) -> Entry:
        """The network's result to DRAM; the address is the compiler's to fill in."""
        name = self.network.output
        place = self.place(name)
        return replace(
            self._vector("STORE", len(self.network.ops) - 1, place, None, (0, place.tokens)),
            output=None,
        )
