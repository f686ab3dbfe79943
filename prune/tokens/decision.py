"""From keep scores to the tokens that stay and the package token of those that go."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LEAST = 1e-6
"""Distance of a score from 0 and 1, and the least weight of a dropped token."""


@dataclass(frozen=True)
class Drawing:
    """How decisions are drawn while training, by Gumbel-softmax."""

    temperature: float = 1.0
    """Width of the sigmoid that gradients go through, in scores' logits."""
    noise: float = 1.0
    """Size of the logistic noise on the logits; 0: decisions are those of inference."""


@dataclass(frozen=True)
class Decision:
    """What a selector decides about the tokens (N, T) before it."""

    scores: Tensor
    """(N, T) float32, 1 for the prefix and 0 for tokens that are not live."""
    keep: Tensor
    """(N, T) float32, 1 for live tokens that stay. Straight-through while gradients flow."""
    package: Tensor
    """(N, C): the score-weighted average of the tokens dropped now."""
    dropped: Tensor
    """(N,) bool: whether an image drops any."""


def decide(
    x: Tensor,
    scores: Tensor,
    live: Tensor,
    package: Tensor,
    prefix: int,
    threshold: float,
    drawing: Drawing | None,
) -> Decision:
    """Keep the tokens whose score reaches `threshold`.

    Args:
        x: tokens (N, T, C).
        scores: (N, T - prefix).
        live: (N, T) float32, 1 or 0.
        package: (N, T) bool, the earlier package tokens, which are always dropped.
        drawing: None: no noise, and no gradient of a decision.
    """
    scores = torch.cat([torch.ones_like(live[:, :prefix]), scores], dim=1) * live.detach()
    if drawing is None:
        keep = (scores >= threshold).to(scores.dtype)
    else:
        level = torch.logit(scores.new_tensor(threshold), _LEAST)
        logits = torch.logit(scores, _LEAST) - level
        noise = torch.rand_like(logits).clamp(_LEAST, 1 - _LEAST).logit()
        soft = ((logits + drawing.noise * noise) / drawing.temperature).sigmoid()
        keep = (soft >= 0.5).to(scores.dtype) + (soft - soft.detach())
    keep = torch.cat([torch.ones_like(keep[:, :prefix]), keep[:, prefix:]], dim=1)
    keep = (keep * live).masked_fill(package, 0.0)
    return Decision(scores, keep, *_package(x, scores, live - keep))


def _package(x: Tensor, scores: Tensor, drop: Tensor) -> tuple[Tensor, Tensor]:
    dropped = (drop.detach() > 0.5).any(dim=1)
    weights = scores.clamp(min=_LEAST) * drop
    total = torch.where(dropped, weights.sum(dim=1), 1.0)
    return ((weights / total.unsqueeze(1)).to(x.dtype).unsqueeze(-1) * x).sum(dim=1), dropped
