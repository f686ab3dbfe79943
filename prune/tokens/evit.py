"""EViT (arXiv 2202.07800): the tokens that the class token attends to, and one of all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hw.errors import UserError
from prune.tokens.selection import Selection
from prune.tokens.stages import Architecture
from prune.tokens.take import take


@dataclass(frozen=True)
class EViT:
    """The share of tokens, the prefix aside, that stays behind the attention of some blocks.

    An earlier fused token counts as any other, as published.
    """

    rates: Mapping[int, float]
    """By block number."""

    def __post_init__(self) -> None:
        for block, rate in self.rates.items():
            if not 0 < rate <= 1:
                raise UserError(f"rate {rate} of block {block}: expected more than 0, at most 1")

    def check(self, model: Architecture) -> None:
        """As `prune.tokens.baselines.Baseline`."""
        network: Any = model.model
        if network.cls_token is None:
            raise UserError(
                f"{type(network).__name__}: EViT chooses by the class token, which it has none of; "
                "use ToMe or selectors"
            )
        outside = [block for block in self.rates if not 0 <= block < model.depth]
        if outside:
            raise UserError(
                f"rate of block {outside[0]}: expected blocks out of 0 to {model.depth - 1}"
            )

    def left(self, block: int, tokens: int) -> int:
        """As `prune.tokens.baselines.Baseline`."""
        count = math.ceil(self.rates.get(block, 1.0) * tokens)
        return count if count == tokens else count + 1

    def start(self, x: Tensor, prefix: int) -> AttentiveTokens:
        """As `prune.tokens.baselines.Baseline`."""
        return AttentiveTokens(x, prefix, self.left)


class AttentiveTokens:
    """EViT's tokens of a stage in one forward; also the rule that sees the class attention."""

    weights = None

    def __init__(self, x: Tensor, prefix: int, left: Callable[[int, int], int]) -> None:
        self._prefix, self._left = prefix, left
        self.place = torch.arange(prefix, x.shape[1], device=x.device).expand(len(x), -1)
        self._alone = torch.ones_like(self.place, dtype=torch.bool)
        self._attention = x.new_empty(0)

    @property
    def rule(self) -> AttentiveTokens:
        """As `prune.tokens.baselines.Reduction`."""
        return self

    def attention(self, q: Tensor, k: Tensor, v: Tensor, dropout: float, scale: float) -> Tensor:
        """As ever; the class token's probabilities (N, T), averaged over heads, are noted."""
        rows = (scale * q[:, :, :1] @ k.transpose(-2, -1)).float().softmax(dim=-1)
        self._attention = rows.mean(dim=1).squeeze(1)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)

    def softmax(self, scores: Tensor) -> Tensor:
        """As ever; the class token's probabilities are noted."""
        probabilities = scores.softmax(dim=-1)
        self._attention = probabilities[:, :, 0].float().mean(dim=1)
        return probabilities

    def reduce(self, number: int, x: Tensor) -> tuple[Tensor, Selection | None]:
        """As `prune.tokens.baselines.Reduction`."""
        tokens = x.shape[1] - self._prefix
        left = self._left(number, tokens)
        if left == tokens:
            return x, None
        count = left - 1
        attention = self._attention[:, self._prefix :]
        order = attention.argsort(dim=1, descending=True, stable=True)
        kept, others = order[:, :count].sort(dim=1).values, order[:, count:]
        weights = attention.gather(1, others).to(x.dtype).unsqueeze(-1)
        fused = (weights * take(x, self._prefix + others)).sum(dim=1, keepdim=True)
        parts = [x[:, : self._prefix], take(x, self._prefix + kept), fused]
        return torch.cat(parts, dim=1), self._note(kept, self._prefix + count)

    def _note(self, kept: Tensor, fused: int) -> Selection:
        """Follow the patches to their new places; `kept` are tokens without the prefix."""
        behind = self._attention.new_full(self._attention.shape, fused, dtype=torch.long)
        places = torch.arange(self._prefix, fused, device=kept.device).expand_as(kept)
        behind = behind.scatter(1, self._prefix + kept, places)
        scores = self._attention.gather(1, self.place) * self._alone
        self.place = behind.gather(1, self.place)
        self._alone = self._alone & (self.place != fused)
        keep = self._alone.to(scores.dtype)
        return Selection(scores, keep, scores.new_full((len(scores),), fused + 1), self.place)
