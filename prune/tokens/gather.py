"""Tokens that leave the tensors when they are dropped; images then keep different numbers.

The tokens of all images lie one behind the other in a batch of one, so that every layer works on
the live ones alone; attention takes image by image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from prune.tokens.decision import Decision, decide
from prune.tokens.selection import Selection
from prune.tokens.selector import TokenSelector
from prune.tokens.take import take


class GatheredTokens:
    """A stage's tokens in one forward: (N, T, C), from the first selection on (1, sum of T_n, C).

    An image's tokens stay in order; its package token, if it has dropped any, is the last.

    Args:
        x: tokens before the first selection (N, T, C).
        prefix: tokens in front that are always kept.
    """

    def __init__(self, x: Tensor, prefix: int) -> None:
        count, tokens = x.shape[:2]
        self._prefix = prefix
        self._lengths = [tokens] * count
        self._packaged = x.new_zeros(count, dtype=torch.bool)
        self._place = torch.arange(prefix, tokens, device=x.device).expand(count, -1)
        self._alone = torch.ones_like(self._place, dtype=torch.bool)

    @property
    def rule(self) -> GatheredTokens:
        """How attention is computed: image by image."""
        return self

    def select(self, selector: TokenSelector, x: Tensor) -> tuple[Tensor, Selection]:
        """The tokens (1, sum of T_n, C) that are left, and what was selected."""
        x, live = self._batch(x)
        lengths = torch.tensor(self._lengths, device=x.device)
        positions = torch.arange(x.shape[1], device=x.device)
        package = (positions == lengths.unsqueeze(1) - 1) & self._packaged.unsqueeze(1)
        scores = selector(x, live, self._prefix)
        live = positions < lengths.unsqueeze(1) if live is None else live
        chosen = decide(
            x, scores, live.float(), package, self._prefix, selector.threshold, drawing=None
        )
        scores = chosen.scores.gather(1, self._place) * self._alone
        x = self._leave(x, chosen)
        tokens = scores.new_tensor(self._lengths)
        return x, Selection(scores, self._alone.to(scores.dtype), tokens, self._place)

    def finish(self, x: Tensor, grid: bool) -> tuple[Tensor, Tensor | None]:
        """What leaves the stage: tokens (N, T', C) and their weights (N, T'), None: all 1.

        Args:
            grid: every patch in its place, the dropped ones as the package token; else T' is the
                most that an image has, the others being filled up with zeros.
        """
        x, live = self._batch(x)
        if not grid:
            return x, live
        return torch.cat([x[:, : self._prefix], take(x, self._place)], dim=1), None

    def attention(self, q: Tensor, k: Tensor, v: Tensor, dropout: float, scale: float) -> Tensor:
        """As `prune.tokens.attention.Rule`, image by image."""
        if len(self._lengths) == 1:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)
        images = zip(*(x.split(self._lengths, dim=2) for x in (q, k, v)), strict=True)
        parts = [
            F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale)
            for query, key, value in images
        ]
        return torch.cat(parts, dim=2)

    def softmax(self, scores: Tensor) -> Tensor:
        """As `prune.tokens.attention.Rule`, of the products of all images' tokens."""
        if len(self._lengths) == 1:
            return scores.softmax(dim=-1)
        numbers = torch.arange(len(self._lengths), device=scores.device)
        image = numbers.repeat_interleave(torch.tensor(self._lengths, device=scores.device))
        return scores.masked_fill(image.unsqueeze(1) != image, -torch.inf).softmax(dim=-1)

    def _batch(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens (N, most, C) and which of them are live (N, most) float32; None: all."""
        if len(x) == len(self._lengths):
            return x, None
        most = max(self._lengths)
        if min(self._lengths) == most:
            return x.view(-1, most, x.shape[-1]), None
        live = [x.new_ones(length, dtype=torch.float32) for length in self._lengths]
        return (
            pad_sequence(x[0].split(self._lengths), batch_first=True),
            pad_sequence(live, batch_first=True),
        )

    def _leave(self, x: Tensor, chosen: Decision) -> Tensor:
        stays = torch.cat([chosen.keep > 0.5, chosen.dropped.unsqueeze(1)], dim=1)
        counts = stays.sum(dim=1)
        behind = (stays.cumsum(dim=1) - 1).gather(1, self._place)
        kept = stays.gather(1, self._place) & self._alone
        self._place = torch.where(kept, behind, counts.unsqueeze(1) - 1)
        self._alone, self._packaged = kept, chosen.dropped
        self._lengths = counts.tolist()
        return torch.cat([x, chosen.package.unsqueeze(1)], dim=1)[stays].unsqueeze(0)
