"""Instructions of the operations that run on the vector unit, given where their tensors lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hw.errors import UserError
from hw.integer import EPSILON_BITS, PROBABILITY_MULT_BITS
from hw.ir import LayerNorm, MeanTokens, SelectToken, Softmax
from hw.program.isa import OPCODES, Instruction
from hw.program.layout import Memory, Placement
from hw.program.operations import OpLowering
from hw.program.schedule import Entry


@dataclass(frozen=True)
class VectorLowering(OpLowering):
    """Additions, layer norms, softmaxes, single tokens, means, loads and the store."""

    def vector(
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
            live=self.live(op.inputs[0]),
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
            copy = self.vector("ADD", index, a, target, chunk, row, write=1)
            yield replace(copy, copies=op.inputs[0])
            a = target
        elif a.memory is Memory.SUMS:
            a, b = b, a
        yield self.vector(
            "ADD", index, a, target, chunk, row, write=1, stats=int(stats),
            fresh=int(stats and not row), **self.second(b, chunk[0], row),
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
                self.vector("ADD", index, target, target, (0, prefix), row, stats=1, fresh=fresh),
                output=None,
            )
        first, tokens = chunk
        yield self.vector(
            "ADD", index, target, target, (prefix + first, tokens), row, write=1,
            stats=int(stats), fresh=fresh, first_token=prefix if stats else 0,
            **self.second(patches, first, row),
        )  # fmt: skip

    @staticmethod
    def second(operand: Placement, first: int = 0, row: int | None = None) -> dict[str, int]:
        """Fields that name a second operand, from its first token or word row on."""
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
            yield self.vector("ADD", index, source, None, chunk, stats=1, fresh=1)
        yield self.vector(
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
                live=self.live(op.inputs[0]),
                out_addr=target.group_address(head) + first,
                out_stride=target.stride,
                operand=op.probability_mult,
            )
            yield Entry(instruction, index, op.output, head * target.group_words, first)

    def select(self, index: int) -> Iterator[Entry]:
        op = self.network.ops[index]
        assert isinstance(op, SelectToken)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        yield self.vector("ADD", index, source, target, (op.index, 1), out_token=0, write=1, live=0)

    def mean(self, index: int) -> Iterator[Entry]:
        """A mean, and its sums for a layer norm behind it."""
        op = self.network.ops[index]
        assert isinstance(op, MeanTokens)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        chunk = (op.start, source.tokens - op.start)
        yield self.vector(
            "MEAN", index, source, target, chunk, out_token=0, first_token=op.start,
            stats=1, fresh=1,
        )  # fmt: skip

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
        if self.live(name):
            raise UserError(
                f"{self.network.model}: the result {name} has as many tokens as a selector leaves; "
                "end the network with one token or their mean"
            )
        last = len(self.network.ops) - 1
        return self.vector("STORE", last, place, None, (0, place.tokens), live=0)
