"""How much accuracy a schedule costs, by selectors that need no training.

Before a block, the patches with most class attention in the block before it stay; the others become
one token, their average weighted by it, into which it re-merges later (EViT, arXiv:2202.07800).
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from prune.tokens.ranking import class_attention, top_tokens
from prune.tokens.schedule import Rates

_BATCH = 64


class Probe:
    """Accuracy of a model on a few images as a function of a schedule.

    It is the mean probability of the labels: unlike top-1 it has no steps, which on a few hundred
    images are as large as what a block tolerates.
    """

    @torch.no_grad()
    def __init__(self, model: VisionTransformer, images: Tensor, labels: Tensor) -> None:
        """Run the model once, and keep what enters each block.

        Args:
            model: in evaluation mode, without selectors.
            images: normalized (N, C, H, W), on the model's device.
            labels: (N,).
        """
        self._model: Any = model
        self._labels = labels
        self._prefix = model.num_prefix_tokens
        self._inputs: list[list[Tensor]] = []
        """Of every block, by batch."""
        for batch in images.split(_BATCH):
            seen: list[Tensor] = []
            hooks = [
                block.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
                for block in self._model.blocks
            ]
            model(batch)
            for hook in hooks:
                hook.remove()
            self._inputs.append(seen)

    @torch.no_grad()
    def __call__(self, rates: Rates) -> float:
        """Mean probability of the labels with these shares of the patches."""
        parts = self._labels.split(_BATCH)
        hits = [self._hits(*batch, rates) for batch in zip(self._inputs, parts, strict=True)]
        return float(torch.cat(hits).mean())

    def _hits(self, inputs: list[Tensor], labels: Tensor, rates: Rates) -> Tensor:
        blocks, depth = self._model.blocks, len(inputs)
        patches = inputs[0].shape[1] - self._prefix
        first = min(rates, default=depth - 1)
        x, packaged = inputs[first], False
        before = inputs[max(first - 1, 0)]
        for number in range(first, depth):
            if number in rates:
                attention = class_attention(blocks[number - 1], before, self._prefix)
                count = max(round(rates[number] * patches), 1)
                x, packaged = self._drop(x, attention, count, packaged)
            before = x
            x = blocks[number](x)
        logits = self._model.forward_head(self._model.norm(x)).float()
        return logits.softmax(dim=-1).gather(1, labels.unsqueeze(1)).squeeze(1)

    def _drop(
        self, x: Tensor, attention: Tensor, count: int, packaged: bool
    ) -> tuple[Tensor, bool]:
        """Keep `count` of the patches in `x` (N, T, C); the others go into the last token."""
        patches = attention.shape[1] - packaged
        if count >= patches:
            return x, packaged
        kept = top_tokens(attention[:, :patches], count)
        weights = attention.scatter(1, kept, 0.0).unsqueeze(-1)
        weights = (weights / weights.sum(dim=1, keepdim=True)).to(x.dtype)
        rest = x[:, self._prefix :]
        package = (weights * rest).sum(dim=1, keepdim=True)
        chosen = rest.gather(1, kept.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        return torch.cat([x[:, : self._prefix], chosen, package], dim=1), True
