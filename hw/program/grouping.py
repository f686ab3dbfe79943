"""Which operations run together: their instructions are interleaved, so that the vector unit works
on one part while the array computes the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hw.ir import (
    Add,
    Attend,
    Embed,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    Softmax,
    TokenSelect,
)


@dataclass(frozen=True)
class Group:
    """Neighbouring operations, by their indices into `Network.ops`."""

    first: int
    count: int

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.count)


def _reads(op: Op, other: Op) -> bool:
    return other.output in op.inputs


def normalizes_mean(op: Op, mean: Op) -> bool:
    """Whether `op` is a layer norm of a mean, which gathers its sums."""
    return isinstance(op, LayerNorm) and isinstance(mean, MeanTokens) and _reads(op, mean)


def _selector(ops: Sequence[Op]) -> int:
    """Operations of the token selector that they start with; 0 if they do not."""
    for count, op in enumerate(ops, 1):
        if isinstance(op, TokenSelect):
            following = ops[count : count + 1]
            normalized = following and isinstance(following[0], LayerNorm)
            return count + int(bool(normalized) and _reads(following[0], op))
        if not isinstance(op, Linear | LayerNorm | MeanTokens):
            break
    return 0


def group_operations(network: Network) -> list[Group]:
    """All operations in order, those together that can overlap.

    Attention: scores, softmax and the weighting of values, a head after another. A linear layer
    with the addition that takes its result into the residual stream, a word row after another, and
    the layer norm behind it, whose sums the addition gathers. A mean and the layer norm behind it.
    A token selector: layers, layer norms and means up to the selection, and the layer norm behind.
    """
    ops, groups, index = network.ops, [], 0
    while index < len(ops):
        count = 1
        match ops[index], ops[index + 1 : index + 3]:
            case _ if selector := _selector(ops[index:]):
                count = selector
            case Scores(), [Softmax() as softmax, Attend() as attend] if _reads(
                softmax, ops[index]
            ) and _reads(attend, softmax):
                count = 3
            case Linear(), [Add() | Embed() as add, *rest] if _reads(
                add, ops[index]
            ) and _single_sum(network, add, ops[index]):
                count = 2
                if rest and isinstance(rest[0], LayerNorm) and _reads(rest[0], add):
                    count = 3
            case MeanTokens(), [following, *_] if normalizes_mean(following, ops[index]):
                count = 2
        groups.append(Group(index, count))
        index += count
    return groups


def _single_sum(network: Network, op: Op, linear: Op) -> bool:
    """Whether the other operand does not come from the array too, and the shapes fit."""
    others = [name for name in op.inputs if name != linear.output]
    array = {o.output for o in network.ops if isinstance(o, Linear)}
    return len(set(op.inputs)) == len(op.inputs) and not array & set(others)
