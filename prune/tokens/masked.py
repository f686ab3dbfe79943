"""Tokens of which the dropped ones stay in the tensors, without influence on the others."""

from __future__ import annotations

import torch
from torch import Tensor

from prune.tokens.attention import KeyWeights
from prune.tokens.decision import Drawing, decide
from prune.tokens.selection import Selection
from prune.tokens.selector import TokenSelector


class MaskedTokens:
    """A stage's tokens in one forward: (N, T, C), from the first selection on (N, T + 1, C).

    The last token is the package token, and is not live before anything is dropped.

    Args:
        x: tokens before the first selection (N, T, C).
        prefix: tokens in front that are always kept.
        drawing: as `decide`.
    """

    def __init__(self, x: Tensor, prefix: int, drawing: Drawing | None) -> None:
        self._prefix, self._drawing = prefix, drawing
        self._live = x.new_ones(x.shape[:2], dtype=torch.float32)
        self._has_slot = False

    @property
    def rule(self) -> KeyWeights:
        """How attention is computed: every token sees the live ones and itself."""
        return KeyWeights(self._live, own=True)

    def select(self, selector: TokenSelector, x: Tensor) -> tuple[Tensor, Selection]:
        """The tokens (N, T + 1, C) with a new package token, and what was selected."""
        if not self._has_slot:
            x = torch.cat([x, torch.zeros_like(x[:, :1])], dim=1)
            self._live = torch.cat([self._live, torch.zeros_like(self._live[:, :1])], dim=1)
            self._has_slot = True
        slot = torch.zeros_like(self._live, dtype=torch.bool)
        slot[:, -1] = True
        scores = selector(x, self._live, self._prefix)
        chosen = decide(
            x, scores, self._live, slot, self._prefix, selector.threshold, self._drawing
        )
        packed = chosen.dropped.to(self._live.dtype).unsqueeze(1)
        self._live = torch.cat([chosen.keep[:, :-1], packed], dim=1)
        return torch.cat([x[:, :-1], chosen.package.unsqueeze(1)], dim=1), self._note(chosen.scores)

    def finish(self, x: Tensor, grid: bool) -> tuple[Tensor, Tensor | None]:
        """What leaves the stage: tokens (N, T', C) and their weights (N, T'), None: all 1.

        Args:
            grid: every patch in its place, the dropped ones as the package token; else T' = T + 1.
        """
        if not grid:
            return x, self._live
        keep = self._live[:, self._prefix : -1].to(x.dtype).unsqueeze(-1)
        patches = keep * x[:, self._prefix : -1] + (1 - keep) * x[:, -1:]
        return torch.cat([x[:, : self._prefix], patches], dim=1), None

    def _note(self, scores: Tensor) -> Selection:
        keep = self._live[:, self._prefix : -1]
        own = torch.arange(self._prefix, self._prefix + keep.shape[1], device=keep.device)
        place = torch.where(keep.detach() > 0.5, own, self._live.shape[1] - 1)
        return Selection(scores[:, self._prefix : -1], keep, self._live.sum(dim=1), place)
