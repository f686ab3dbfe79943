"""What selectors are trained for, besides the task loss and the distillation of logits.

Keep rates and kept tokens as in SPViT (arXiv:2112.13890) and DynamicViT (arXiv:2106.02034); keep
rates are of a batch, so that images may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from prune.tokens.ranking import top_tokens
from prune.tokens.recording import Record
from prune.tokens.schedule import Rates

Price = Callable[[dict[int, Tensor]], Tensor]
"""Cycles, as `TokenCost`, from the mean live tokens behind each selector, by its block."""


def keep_loss(record: Record, rates: Rates) -> Tensor:
    """Mean squared distance of the batch's keep rates from `rates`, over the selectors."""
    misses = [record[block].keep.mean() - rate for block, rate in rates.items()]
    return torch.stack(misses).square().mean()


def token_loss(tokens: Tensor, taught: Tensor, keep: Tensor) -> Tensor:
    """Mean squared distance of kept tokens from the teacher's, in units of the latter's squares.

    Args:
        tokens: of the student (N, T or more, C); the first T are the teacher's.
        taught: of the teacher (N, T, C).
        keep: of the patches (N, P), 1 or 0; the tokens in front of them are always kept.
    """
    taught = taught.float()
    prefix = taught.shape[1] - keep.shape[1]
    weights = F.pad(keep.detach().float(), (prefix, 0), value=1.0)
    miss = (tokens[:, : taught.shape[1]].float() - taught).square().mean(dim=-1)
    size = taught.square().mean().clamp(min=1e-6)
    return (miss * weights).sum() / weights.sum() / size


def latency_loss(cost: Price, record: Record, dense: float, target: float) -> Tensor:
    """Expected cycles above the budget, in units of the dense model's.

    Args:
        cost: of the network.
        record: of a batch.
        dense: cycles of the dense model.
        target: share of them that may be taken.
    """
    live = {block: selection.tokens.mean().double() for block, selection in record.items()}
    return (cost(live) / dense - target).clamp(min=0)


def ranking_loss(scores: Mapping[int, Tensor], attention: list[Tensor], rates: Rates) -> Tensor:
    """Cross entropy of keep scores with the choice of the tokens that the teacher attends to.

    Args:
        scores: of every selector (N, P), by block.
        attention: of the teacher's blocks (N, P), each with those behind it.
        rates: how many tokens are to stay, by block.
    """
    losses = []
    for block, rate in rates.items():
        wanted = attention[block]
        chosen = top_tokens(wanted, max(round(rate * wanted.shape[1]), 1))
        target = torch.zeros_like(wanted).scatter(1, chosen, 1.0)
        # Away from 0 and 1, where a logarithm's gradient has no bound.
        losses.append(F.binary_cross_entropy(scores[block].float().clamp(1e-4, 1 - 1e-4), target))
    return torch.stack(losses).mean()
