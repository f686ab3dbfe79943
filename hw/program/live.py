"""Which tensors have as many tokens as the last token selector before them has left."""

from __future__ import annotations

from hw.ir import MeanTokens, Network, SelectToken, TokenSelect


def live_tensors(network: Network) -> frozenset[str]:
    """Tensors whose tokens are counted while the machine runs; their `TensorSpec` says the most."""
    live: set[str] = set()
    for op in network.ops:
        if isinstance(op, SelectToken | MeanTokens):
            continue
        if isinstance(op, TokenSelect) or live.intersection(op.inputs):
            live.add(op.output)
    return frozenset(live)
