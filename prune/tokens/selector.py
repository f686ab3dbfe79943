"""The token selector of SPViT (arXiv 2112.13890): how much each token is worth keeping.

Every head scores a token by its own features and by those of all live tokens together, and a
token's heads are weighted by what they hold. Unlike the released code, every head has weights of
its own, and the prefix tokens never take part.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_KEEP_BIAS = 3.0
"""Of a fresh selector's logits, which then score every token near sigmoid(3) = 0.95."""
_KEEP_SPREAD = 0.1
"""Size of a fresh selector's last weights, in that of the other layers'."""


class HeadLinear(nn.Module):
    """A linear layer a head: `weight` (heads, in, out), `bias` (heads, out)."""

    def __init__(self, heads: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(heads, in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(heads, out_features))
        nn.init.trunc_normal_(self.weight, std=1 / math.sqrt(in_features))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, heads, in) to (N, T, heads, out)."""
        return torch.einsum("nthi,hio->ntho", x, self.weight) + self.bias


class TokenSelector(nn.Module):
    """Scores tokens of `dim` channels by `heads` heads of dim / heads channels each.

    A fresh one scores every token about 0.95, so that it changes nothing at any usual threshold.
    """

    def __init__(self, dim: int, heads: int, threshold: float = 0.5) -> None:
        super().__init__()
        channels, narrow = dim // heads, max(heads // 2, 1)
        half, quarter = max(channels // 2, 1), max(channels // 4, 1)
        self.heads, self.threshold = heads, threshold
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.norm_mean = nn.LayerNorm(dim, eps=1e-6)
        self.local = HeadLinear(heads, channels, half)
        self.common = HeadLinear(heads, channels, half)
        self.mix = HeadLinear(heads, 2 * half, half)
        self.squeeze = HeadLinear(heads, half, quarter)
        self.keep = HeadLinear(heads, quarter, 1)
        self.heads1 = nn.Linear(heads, narrow)
        self.heads2 = nn.Linear(narrow, heads)
        with torch.no_grad():
            self.keep.weight.mul_(_KEEP_SPREAD)
            self.keep.bias.fill_(_KEEP_BIAS)

    def forward(self, x: Tensor, live: Tensor | None = None, prefix: int = 1) -> Tensor:
        """Keep scores (N, T - prefix) in 0..1, float32, of the tokens behind the prefix.

        Args:
            x: residual stream (N, T, C).
            live: (N, T), 1 of live tokens and 0 of others, which influence nothing; None: all live.
            prefix: tokens in front that are always kept.
        """
        x = x[:, prefix:]
        tokens = self._by_head(self.norm(x))  # (N, T, heads, d)
        mean = self._by_head(self.norm_mean(_mean(x, None if live is None else live[:, prefix:])))
        local, common = F.gelu(self.local(tokens)), F.gelu(self.common(mean))
        mixed = F.gelu(self.mix(torch.cat([local, common.expand_as(local)], dim=-1)))
        logits = self.keep(F.gelu(self.squeeze(mixed))).squeeze(-1)  # (N, T, heads)
        weights = self.heads2(F.gelu(self.heads1(tokens.mean(dim=-1))))
        keep, weights = logits.float().sigmoid(), weights.float().sigmoid()
        return (weights * keep).sum(dim=-1) / weights.sum(dim=-1)

    def get_extra_state(self) -> Tensor:
        """The threshold, which the state dict holds as `_extra_state`."""
        return torch.tensor(self.threshold, dtype=torch.float32)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over the threshold of a state dict, a float32."""
        self.threshold = float(state)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1))


def _mean(x: Tensor, live: Tensor | None) -> Tensor:
    """Mean (N, 1, C) of the live ones of `x` (N, T, C)."""
    if live is None:
        return x.mean(dim=1, keepdim=True)
    live = live.to(x.dtype).unsqueeze(-1)
    return (x * live).sum(dim=1, keepdim=True) / live.sum(dim=1, keepdim=True).clamp(min=1)
