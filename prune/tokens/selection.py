"""What became of an image's patches at one place in a model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Selection:
    """A selection among a stage's P patches, in the order of the image."""

    scores: Tensor
    """(N, P): a selector's keep scores, or EViT's class attention, 0 of patches that had been
    dropped before; ToMe: 1 / patches in the token that stands for a patch."""
    keep: Tensor
    """(N, P): 1 for patches that are still themselves, else 0; straight-through while training."""
    tokens: Tensor
    """(N,) float: live tokens behind, prefix and package included; as differentiable as `keep`."""
    place: Tensor
    """(N, P) int64: number of the token behind that stands for a patch, its own or a shared one."""


Record = dict[int, Selection]
"""Selections by block: before it (selectors), or inside it (EViT, ToMe)."""
