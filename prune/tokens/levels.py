"""Thresholds that make the mean image meet a budget in cycles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prune.tokens.live import live_tokens
from prune.tokens.recording import recording

_UNIT = 254
"""Integer score that stands for 1."""
_STEP = 0.5
_MOST = 12.0
"""Largest change of a threshold, in its logit."""
_ROUNDS = 7
_CLOSE = 0.001
"""Share of the budget that may stay unspent."""
_BATCH = 64

Live = Mapping[int, Tensor]
"""Tokens behind each selector (N,), by its block."""


def shifted(thresholds: Sequence[float], shift: float) -> list[float]:
    """Thresholds with `shift` added to their logits, as the integer network has them."""
    levels = [torch.tensor(t).logit().add(shift).sigmoid().item() for t in thresholds]
    return [min(max(round(_UNIT * level), 1), _UNIT - 1) / _UNIT for level in levels]


def meet_budget(
    thresholds: Sequence[float],
    count: Callable[[list[float]], Live],
    cycles: Callable[[Live], Tensor],
    target: float,
) -> list[float]:
    """One shift of all thresholds' logits, such that the mean image takes at most `target` cycles.

    Found by bisection. Where no threshold is high enough, the highest.

    Args:
        thresholds: to start from.
        count: live tokens of some images with given thresholds.
        cycles: of images (N,) with these live tokens.
        target: cycles.
    """

    def excess(shift: float) -> float:
        return float(cycles(count(shifted(thresholds, shift))).mean()) / target - 1

    over, step = excess(0.0), _STEP
    low, high = (0.0, math.inf) if over > 0 else (-math.inf, 0.0)
    while math.isinf(high) and low < _MOST:
        low, high = (low + step, high) if excess(low + step) > 0 else (low, low + step)
        step *= 2
    while math.isinf(low) and high > -_MOST:
        low, high = (low, high - step) if excess(high - step) <= 0 else (high - step, high)
        step *= 2
    if math.isinf(high) or math.isinf(low):
        return shifted(thresholds, low if math.isinf(high) else high)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        over = excess(middle)
        low, high = (middle, high) if over > 0 else (low, middle)
        if -_CLOSE < over <= 0:
            break
    return shifted(thresholds, high)


def live_at(model: Any, images: Tensor, thresholds: Sequence[float]) -> dict[int, Tensor]:
    """Live tokens behind each selector of `model` (N,), by its block.

    Args:
        model: in evaluation mode; gets the thresholds.
        images: normalized (N, C, H, W).
        thresholds: one a selector.
    """
    set_thresholds(model, thresholds)
    return {block: found.tokens for block, found in live_tokens(model, images).items()}


@torch.no_grad()
def rate_thresholds(model: Any, images: Tensor, rates: Mapping[int, float]) -> list[float]:
    """Thresholds with which every selector keeps its share of the patches in `images`.

    One selector after the other, as those behind see what those in front leave.

    Args:
        model: in evaluation mode; gets the thresholds.
        images: normalized (N, C, H, W).
        rates: shares, by the selectors' blocks in order.
    """
    for block, rate in rates.items():
        scores = []
        with recording(model) as record:
            for batch in images.split(_BATCH):
                model(batch)
                scores.append(record[block].scores.float().cpu().flatten())
        ordered = torch.cat(scores).sort(descending=True).values
        level = float(ordered[min(round(rate * len(ordered)), len(ordered) - 1)])
        model.selectors[str(block)].threshold = min(max(level, 1 / _UNIT), 1 - 1 / _UNIT)
    return [float(model.selectors[str(block)].threshold) for block in rates]


def set_thresholds(model: nn.Module, thresholds: Sequence[float]) -> None:
    """Give every selector its threshold."""
    selectors: Any = model.selectors
    for selector, threshold in zip(selectors.values(), thresholds, strict=True):
        selector.threshold = threshold
