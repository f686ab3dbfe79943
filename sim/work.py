"""How much work a network is: its matrix products."""

from __future__ import annotations

from dataclasses import dataclass

from hw.ir import ARRAY_OPS, Attend, Linear, Network, Op, Scores


@dataclass(frozen=True)
class Product:
    """An operation as `heads` matrix products of (m, k) and (k, n)."""

    heads: int
    m: int
    k: int
    n: int

    @property
    def macs(self) -> int:
        return self.heads * self.m * self.k * self.n


def product(network: Network, op: Op) -> Product:
    """The matrix product of an array operation."""
    source, target = network.tensors[op.inputs[0]], network.tensors[op.output]
    if isinstance(op, Scores):
        return Product(op.heads, source.tokens, source.group_features, source.tokens)
    if isinstance(op, Attend):
        return Product(op.heads, target.tokens, source.tokens, target.group_features)
    assert isinstance(op, Linear)
    return Product(1, source.tokens, source.features, target.features)


def dense_macs(network: Network) -> int:
    """Multiply-accumulates of all matrix products, pruned weights included, padding not."""
    return sum(product(network, op).macs for op in network.ops if isinstance(op, ARRAY_OPS))
