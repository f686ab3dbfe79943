"""How much work a network is."""

from __future__ import annotations

from hw.ir import Attend, Linear, Network, Scores


def dense_macs(network: Network) -> int:
    """Multiply-accumulates of all matrix products, pruned weights included, padding not."""
    total = 0
    for op in network.ops:
        if isinstance(op, Linear):
            total += network.tensors[op.inputs[0]].tokens * network.param(op, "weight").size
        elif isinstance(op, Scores | Attend):
            qkv = network.tensors[op.inputs[-1]]
            total += qkv.tokens**2 * qkv.features // 3
    return total
