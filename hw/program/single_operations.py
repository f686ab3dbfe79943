"""Instructions of operations that run alone, in equal parts of the tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hw.errors import UserError
from hw.ir import Add, Embed, LayerNorm, Linear, MeanTokens, SelectToken
from hw.program.array_operations import ArrayLowering
from hw.program.schedule import Entry
from hw.program.vector_operations import VectorLowering


@dataclass(frozen=True)
class SingleLowering(ArrayLowering, VectorLowering):
    """Operations of both units, each on its own."""

    def single(self, index: int) -> Iterator[Entry]:
        """An operation that runs alone."""
        op = self.network.ops[index]
        tokens = self.network.tensors[op.inputs[0]].tokens
        match op:
            case Linear():
                for chunk in self.chunks(tokens):
                    yield from self.linear(index, chunk)
            case Add():
                for chunk in self.chunks(tokens):
                    yield from self.add(index, chunk)
            case Embed():
                for chunk in self.chunks(tokens):
                    yield from self.embed(index, chunk)
            case LayerNorm():
                for chunk in self.chunks(tokens):
                    yield from self.layernorm(index, chunk, False)
            case SelectToken():
                yield from self.select(index)
            case MeanTokens():
                yield from self.mean(index)
            case _:
                raise UserError(
                    f"{op.name}: a {op.kind} outside of attention (scores, softmax, attend, in "
                    "this order), which the machine cannot run"
                )
