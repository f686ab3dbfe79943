"""Small transformers and selectors that drop about half of their tokens."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import timm
import torch
from torch import Tensor, nn

from prune.tokens import TokenSelector, attach_

_SMALL: dict[str, Any] = {
    "img_size": 48,
    "patch_size": 8,
    "embed_dim": 48,
    "depth": 4,
    "num_heads": 3,
    "num_classes": 10,
}
_PIT: dict[str, Any] = {
    "img_size": 64,
    "base_dims": (16, 16, 16),
    "depth": (2, 2, 1),
    "heads": (2, 2, 2),
    "num_classes": 10,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "deit": ("deit_tiny_patch16_224", _SMALL),
    "distilled": ("deit_tiny_distilled_patch16_224", _SMALL),
    "deit3": ("deit3_small_patch16_224", _SMALL),
    "registers and mean": ("vit_wee_patch16_reg1_gap_256", _SMALL),
    "maximum": ("vit_base_patch16_224", {**_SMALL, "global_pool": "max"}),
    "latent query, no prefix": ("vit_base_patch16_siglip_224", _SMALL),
    "normalized queries": ("vit_base_patch16_224", {**_SMALL, "qk_norm": True}),
    "parallel": ("vit_small_patch16_18x2_224", _SMALL),
    "pit": ("pit_ti_224", _PIT),
    "pit distilled": ("pit_ti_distilled_224", _PIT),
}


def plain(kind: str = "deit") -> nn.Module:
    """A model of a kind, in evaluation mode, with weights that are the same each time."""
    return copy.deepcopy(_plain(kind))


@cache
def _plain(kind: str) -> nn.Module:
    name, arguments = MODELS[kind]
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name, **arguments)
    return model.eval()


def images(model: Any, count: int = 4) -> Tensor:
    """Normalized noise (count, 3, height, width)."""
    size = model.patch_embed.img_size
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def selective(kind: str = "deit", positions: tuple[int, ...] = (1, 2, 3)) -> nn.Module:
    """A model with selectors whose scores lie on both sides of the threshold."""
    model = plain(kind)
    torch.manual_seed(2)
    attach_(model, positions)
    for selector in selectors(model):
        decide_by_noise_(selector)
    return model


def selectors(model: nn.Module) -> list[TokenSelector]:
    """The model's selectors, in order."""
    return [module for module in model.modules() if isinstance(module, TokenSelector)]


@torch.no_grad()
def decide_by_noise_(selector: TokenSelector) -> None:
    """Large last weights without bias: a random map of the tokens decides."""
    selector.keep.weight.mul_(200)
    selector.keep.bias.zero_()
