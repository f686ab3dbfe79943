"""How many tokens the selectors of a model leave of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prune.tokens.access import PREFIX, selectors_of
from prune.tokens.recording import recording
from sim.live import LiveCounts

_BATCH = 16


@dataclass(frozen=True)
class Live:
    """What a selector leaves of each of N images."""

    patches: Tensor
    """(N) float64: share of the patches that are still themselves."""
    tokens: Tensor
    """(N) float64: tokens behind it, prefix and package included."""


@torch.no_grad()
def live_tokens(model: nn.Module, images: Tensor) -> dict[int, Live]:
    """What the selectors of `model` leave of normalized images (N, ...), by block."""
    records = []
    for batch in images.split(_BATCH) if selectors_of(model) else ():
        with recording(model) as record:
            model(batch)
        records.append(record)
    return {
        block: Live(
            torch.cat([record[block].keep.double().mean(dim=1) for record in records]),
            torch.cat([record[block].tokens.double() for record in records]),
        )
        for block in selectors_of(model)
    }


def image_counts(live: Mapping[int, Tensor]) -> list[LiveCounts]:
    """Tokens behind each selector (N,), by its block, as the cycle model takes them: by image."""
    names = [f"{PREFIX}{block}.select" for block in live]
    images = zip(*(tokens.tolist() for tokens in live.values()), strict=True)
    return [dict(zip(names, map(int, image), strict=True)) for image in images]


def live_counts(model: nn.Module, images: Tensor) -> list[LiveCounts]:
    """What the selectors leave of each image, as the cycle model takes it; {} in a plain model."""
    live = {block: found.tokens for block, found in live_tokens(model, images).items()}
    return image_counts(live) if live else [{} for _ in images]
