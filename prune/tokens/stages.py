"""Which blocks of a model share their tokens: all of a ViT, or each stage of a PiT."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from timm.layers import AttentionPoolLatent
from timm.models.pit import PoolingVisionTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.errors import UserError


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks that see the same tokens."""

    first: int
    """Number of its first block, counted through all stages."""
    blocks: Sequence[nn.Module]
    dim: int
    grid: bool
    """Whether every token is needed again behind the last block, for a pooling of the image."""

    @property
    def last(self) -> int:
        return self.first + len(self.blocks) - 1


@dataclass(frozen=True)
class Architecture:
    """A model as selectors see it."""

    model: nn.Module
    stages: tuple[Stage, ...]

    @property
    def prefix(self) -> int:
        """Tokens in front that are no patches: class, distillation, registers."""
        model: Any = self.model
        return model.num_tokens if self.stages[0].grid else model.num_prefix_tokens

    @property
    def depth(self) -> int:
        return self.stages[-1].last + 1

    def stage(self, block: int) -> Stage:
        """The stage of a block, by its number."""
        return next(stage for stage in self.stages if stage.first <= block <= stage.last)

    def block(self, block: int) -> nn.Module:
        """A block, by its number."""
        stage = self.stage(block)
        return stage.blocks[block - stage.first]

    def heads(self, block: int) -> int:
        """Attention heads of a block, or as many of them as its channels divide into."""
        counts = (getattr(module, "num_heads", None) for module in self.block(block).modules())
        heads = next(count for count in counts if count is not None)
        return math.gcd(heads, self.stage(block).dim)


def architecture(model: Any) -> Architecture:
    """The stages of a timm ViT, DeiT or PiT.

    Raises:
        UserError: the model is none of them, or pools its tokens in a way that knows no weights.
    """
    if isinstance(model, PoolingVisionTransformer):
        return Architecture(model, tuple(_pit_stages(model)))
    if not isinstance(model, VisionTransformer):
        raise UserError(
            f"{type(model).__name__}: tokens cannot be selected; expected timm's VisionTransformer "
            "(ViT, DeiT) or PoolingVisionTransformer (PiT); choose one, as deit_s"
        )
    if not isinstance(model.attn_pool, AttentionPoolLatent | None):
        raise UserError(
            f"{type(model).__name__}: pools by {type(model.attn_pool).__name__}, expected a class "
            "token, a mean, a maximum or a latent query; set global_pool=avg"
        )
    return Architecture(model, (Stage(0, list(model.blocks), model.embed_dim, grid=False),))


def _pit_stages(model: Any) -> list[Stage]:
    stages: list[Stage] = []
    for transformer, base, heads in zip(
        model.transformers, model.base_dims, model.heads, strict=True
    ):
        first = stages[-1].last + 1 if stages else 0
        stages.append(Stage(first, list(transformer.blocks), base * heads, grid=True))
    return stages
