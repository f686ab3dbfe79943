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


def product(network: Network, op: Op, tokens: int | None = None) -> Product:
    """The matrix product of an array operation.

    Args:
        tokens: how many the operation takes; by default the most.
    """
    source, target = network.tensors[op.inputs[0]], network.tensors[op.output]
    tokens = source.tokens if tokens is None else tokens
    if isinstance(op, Scores):
        return Product(op.heads, tokens, source.group_features, tokens)
    if isinstance(op, Attend):
        return Product(op.heads, tokens, tokens, target.group_features)
    assert isinstance(op, Linear)
    features = sum(network.tensors[name].features for name in op.inputs)
    return Product(1, tokens, features, target.features)


def dense_macs(network: Network) -> int:
    """Multiply-accumulates of all matrix products, pruned weights included, padding not."""
    return sum(product(network, op).macs for op in network.ops if isinstance(op, ARRAY_OPS))
