"""From the IR to instructions: everything about a program but the weights.

The schedule depends on shapes alone, so the cycle model and the pruner build it once and then try
any choice of kept tiles on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Embed, LayerNorm, MeanTokens, Network, Scores, TokenSelect
from hw.program.grouping import group_operations
from hw.program.isa import OPCODES, Instruction
from hw.program.layout import place_tensors
from hw.program.schedule import Entry, Schedule
from hw.program.selectors import SelectorLowering


class Lowering(SelectorLowering):
    """Instructions of groups of operations, interleaved so that array and vector unit overlap."""

    def group(self, indices: range) -> Iterator[Entry]:
        ops = [self.network.ops[index] for index in indices]
        match ops:
            case [*_, TokenSelect()] | [*_, TokenSelect(), LayerNorm()]:
                yield from self.selector(indices)
            case [Scores() as scores, _, _]:
                yield from self._attention(indices, scores.heads)
            case [MeanTokens(), LayerNorm()]:
                yield from self.mean(indices[0])
                yield from self.layernorm(indices[1], (0, 1), True)
            case [_, _, *_]:
                yield from self._residual(indices)
            case _:
                yield from self.single(indices[0])

    def _attention(self, indices: range, heads: int) -> Iterator[Entry]:
        """Scores of the next head before values of this one, so that its softmax can hide."""
        scores, softmax, attend = indices
        for head in range(heads + 1):
            if head < heads:
                yield from self.scores(scores, head)
                yield from self.softmax(softmax, head)
            if head:
                yield from self.attend(attend, head - 1)

    def _residual(self, indices: range) -> Iterator[Entry]:
        """A word row of the product, then its addition, then the layer norm of all rows."""
        linear, add = indices[0], indices[1]
        norm = indices[2] if len(indices) == 3 else None
        op = self.network.ops[add]
        merge = self.embed if isinstance(op, Embed) else self.add
        source, target = self.place(self.network.ops[linear].output), self.place(op.output)
        chunks = self.chunks(source.tokens)
        tokens = self.chunks(target.tokens)
        gathered = norm is not None and (source.tokens == target.tokens or len(tokens) == 1)
        for number, chunk in enumerate(chunks):
            for row in range(target.word_rows):
                yield from self.linear(linear, chunk, row)
                yield from merge(add, chunk, row, gathered)
            if norm is not None and gathered:
                yield from self.layernorm(norm, tokens[number], True)
        if norm is not None and not gathered:
            yield from self.single(norm)


def image_load(schedule: Schedule, network: Network) -> Instruction:
    """The instruction at the head of an image's record."""
    lowering = Lowering(network, schedule.config, schedule.placements)
    return lowering.load(Network.INPUT, None).instruction


def build_schedule(network: Network, config: ArrayConfig) -> Schedule:
    """Lower the operations to instructions.

    Raises:
        UserError: when the network does not fit the machine.
    """
    groups = group_operations(network)
    together = [number for number, group in enumerate(groups) for _ in group.indices]
    lowering = Lowering(network, config, place_tensors(network, config, together))
    entries = [
        lowering.load(op.output, index)
        for index, op in enumerate(network.ops)
        if isinstance(op, Embed)
    ]
    for group in groups:
        entries.extend(lowering.group(group.indices))
    entries.append(lowering.store())
    entries.append(Entry(Instruction(OPCODES["END"]), None))
    if len(entries) > 1 << 16:
        raise UserError(f"{network.model}: {len(entries)} instructions, the machine numbers 65536")
    numbered = tuple(
        replace(entry, instruction=replace(entry.instruction, id=number))
        for number, entry in enumerate(entries)
    )
    return Schedule(config, lowering.placements, numbered)
