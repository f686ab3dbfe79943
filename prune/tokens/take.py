"""Picking tokens by number."""

from __future__ import annotations

from torch import Tensor


def take(x: Tensor, numbers: Tensor) -> Tensor:
    """The tokens of `x` (N, T, C) that `numbers` (N, K) count: (N, K, C)."""
    return x.gather(1, numbers.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
