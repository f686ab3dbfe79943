"""Instructions of the operations that run on the array, given where their tensors lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hw.errors import UserError
from hw.ir import Attend, Linear, Op, Scores
from hw.program.isa import MODES, OPCODES, Instruction
from hw.program.layout import Memory, Placement
from hw.program.operations import OpLowering
from hw.program.schedule import Entry, Schedule, common_start, tile_grid


@dataclass(frozen=True)
class ArrayLowering(OpLowering):
    """Matrix products."""

    def linear(self, index: int, chunk: tuple[int, int], row: int | None = None) -> Iterator[Entry]:
        """A linear layer on some tokens: all output tiles, or those of one word row."""
        op = self.network.ops[index]
        assert isinstance(op, Linear)
        source, target = self.place(op.inputs[0]), self.place(op.output)
        schedule = Schedule(self.config, self.placements)
        self._check_int8(op, source)
        tiles = range(tile_grid(op, schedule)[1])
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
            **self._common(op, schedule),
        )

    def _common(self, op: Linear, schedule: Schedule) -> dict[str, int]:
        """Fields that name the one token whose features follow every token's."""
        if len(op.inputs) == 1:
            return {}
        common = self.place(op.inputs[1])
        self._check_int8(op, common)
        if common.tokens != 1:
            raise UserError(
                f"{op.name}: {op.inputs[1]} has {common.tokens} tokens, a common input has one"
            )
        return {
            "depth": common_start(op, schedule),
            "common_normal": int(common.memory is Memory.NORMAL),
            "w_addr": common.base,
            "w_stride": common.stride,
        }

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
            live=self.live(op.inputs[0]),
            normal=int(source.memory is Memory.NORMAL),
            in_addr=in_addr + first,
            in_stride=source.stride,
            out_addr=out_addr + first,
            out_stride=target.stride,
            **fields,
        )
        return Entry(instruction, index, op.output, first_row, first, stream_tiles)
