"""Instructions of token selectors.

A selector's products run on the array: keep values and weights of heads, a token each. The vector
unit makes scores of them (`SCORE`) and moves the kept tokens together (`SELECT`). The weights of
heads go to the residual memory first, so that `SCORE` can read both at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hw.errors import UserError
from hw.ir import ARRAY_OPS, MeanTokens, Network, TokenSelect
from hw.program.grouping import normalizes_mean
from hw.program.layout import Memory, heads_copy
from hw.program.schedule import Entry
from hw.program.single_operations import SingleLowering


def issue_order(network: Network, indices: range) -> list[int]:
    """The operations of a selector in the order of their instructions.

    First those of the vector unit, the mean of the tokens among them, then those of the array that
    need no mean, so that both units work at a time; last those that need it.
    """
    stages: dict[str, int] = {}
    need_mean: set[str] = set()
    for index in indices:
        op = network.ops[index]
        if isinstance(op, MeanTokens) or need_mean.intersection(op.inputs):
            need_mean.add(op.output)
        own = 0
        if isinstance(op, ARRAY_OPS):
            own = 2 if op.output in need_mean else 1
        stages[op.output] = max(own, *(stages.get(name, 0) for name in op.inputs))
    return sorted(indices, key=lambda index: stages[network.ops[index].output])


@dataclass(frozen=True)
class SelectorLowering(SingleLowering):
    """Token selectors, from the first product on."""

    def selector(self, indices: range) -> Iterator[Entry]:
        """Everything up to a selection, and the layer norm behind it if there is one."""
        ops = self.network.ops
        select = next(i for i in indices if isinstance(ops[i], TokenSelect))
        self._check(select)
        heads = ops[select].inputs[2]
        order = issue_order(self.network, range(indices[0], select))
        for before, index in zip([None, *order], order, strict=False):
            if before is not None and normalizes_mean(ops[index], ops[before]):
                yield from self.layernorm(index, (0, 1), True)
            else:
                yield from self.single(index)
            if ops[index].output == heads:
                yield self._copy_heads(select)
        yield self._score(select)
        norm = select + 1 if select + 1 in indices else None
        yield self._compact(select, norm is not None)
        if norm is not None:
            yield from self.layernorm(norm, (0, self.place(ops[norm].output).tokens), True)

    def _check(self, index: int) -> None:
        """That the machine can run a selection.

        Raises:
            UserError: when tokens do not fit the accumulators, or an input lies elsewhere.
        """
        op = self.network.ops[index]
        assert isinstance(op, TokenSelect)
        places = [self.place(name) for name in op.inputs[:3]]
        if places[0].tokens > self.config.acc_depth:
            raise UserError(
                f"{op.name}: selects among {places[0].tokens} tokens, the machine among at most "
                f"acc_depth={self.config.acc_depth}; set ACC_DEPTH to a larger power of two"
            )
        expected = (Memory.RESIDUAL, Memory.SUMS, Memory.SUMS)
        for name, place, memory in zip(op.inputs, places, expected, strict=False):
            if place.memory is not memory:
                unit = "vector unit" if memory is Memory.RESIDUAL else "array"
                raise UserError(f"{op.name}: {name} is not an int16 result of the {unit}")

    def _copy_heads(self, index: int) -> Entry:
        op = self.network.ops[index]
        assert isinstance(op, TokenSelect)
        source, target = self.place(op.inputs[2]), self.place(heads_copy(op))
        copy = self.vector("ADD", index, source, target, (0, source.tokens), write=1)
        return replace(copy, output=heads_copy(op), copies=op.inputs[2])

    def _score(self, index: int) -> Entry:
        op = self.network.ops[index]
        assert isinstance(op, TokenSelect)
        heads, keep = self.place(heads_copy(op)), self.place(op.inputs[1])
        return self.vector(
            "SCORE", index, heads, None, (0, heads.tokens), first_token=op.prefix,
            threshold=op.threshold, operand=keep.base, second_stride=keep.stride,
        )  # fmt: skip

    def _compact(self, index: int, stats: bool) -> Entry:
        """The selection; its tokens are those of the `SCORE` before it."""
        op = self.network.ops[index]
        source, target = self.place(op.inputs[0]), self.place(op.output)
        return self.vector(
            "SELECT", index, source, target, (0, source.tokens), stats=int(stats),
            fresh=int(stats), live=0,
        )  # fmt: skip
