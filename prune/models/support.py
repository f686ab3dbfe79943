"""Which models can be pruned, and which the compiler can run as well.

Any transformer of timm can be pruned. The compiler runs timm's VisionTransformer without the
features that have no integer operation.
"""

from __future__ import annotations

from typing import Any

from timm.layers import Attention, GluMlp, LayerScale, Mlp, PatchEmbed, SwiGLU
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from prune.models.image_shape import pretrained_config
from prune.tokens.access import selectors_of

LEAST_LINEAR = 0.5
"""Share of a transformer's weights that its linear layers hold at least."""


def linear_share(model: nn.Module) -> float:
    """Share of weights in maps of single tokens, out of all in linear layers and convolutions.

    These are the linear layers and the convolutions of patches that do not overlap. The classifier
    is left out: every network has one.
    """
    linear = other = 0
    left_out = classifier_names(model)
    for name, module in model.named_modules():
        if name in left_out:
            continue
        if isinstance(module, nn.Linear):
            linear += module.weight.numel()
        elif isinstance(module, nn.Conv2d):
            patches = module.kernel_size == module.stride and max(module.kernel_size) > 1
            linear += module.weight.numel() * patches
            other += module.weight.numel() * (not patches)
    return linear / max(linear + other, 1)


def classifier_names(model: nn.Module) -> tuple[str, ...]:
    """The classifier's modules, as timm's configuration names them; else `head`."""
    named = pretrained_config(model).get("classifier") or "head"
    return (named,) if isinstance(named, str) else tuple(named)


def why_not_prunable(model: nn.Module) -> str | None:
    """Why `model` is no transformer whose layers can be pruned, or None.

    A convolutional network has nearly no linear layer besides its classifier (ResNet: 0 %), a
    transformer little else (ViT, Swin: over 95 %, LeViT: 98 %); `LEAST_LINEAR` lies between.
    """
    share = linear_share(model)
    if share >= LEAST_LINEAR:
        return None
    return (
        f"{type(model).__name__} is not a Vision Transformer: its linear layers hold {share:.0%} "
        f"of the weights, the classifier aside, expected at least {LEAST_LINEAR:.0%}"
    )


def why_not_compilable(model: nn.Module) -> str | None:
    """Why the compiler cannot run `model`, which can still be pruned, or None when it can."""
    if getattr(model, "rope", None) is not None:
        return "rotary position embedding (RoPE) is not supported"
    if not isinstance(model, VisionTransformer):
        return f"{type(model).__name__} is not timm's VisionTransformer"
    feature = unsupported_feature(model)
    return None if feature is None else f"{feature} is not supported"


def unsupported_feature(model: VisionTransformer) -> str | None:
    """Name of the first feature of `model` that has no integer operation, or None."""
    return _outside_blocks(model) or next(filter(None, map(_in_block, model.blocks)), None)


def _is(module: object, *kinds: type) -> bool:
    """Whether the class is one of `kinds` itself: a subclass may compute something else."""
    return type(module) in kinds


def _is_layernorm(module: object) -> bool:
    return isinstance(module, nn.LayerNorm) and module.elementwise_affine


def _outside_blocks(model: VisionTransformer) -> str | None:
    embed = model.patch_embed
    if not _is(model, VisionTransformer, VisionTransformerDistilled):
        return f"the model class {type(model).__name__}"
    if not _is(embed, PatchEmbed):
        return f"the patch embedding {type(embed).__name__}"
    if not _is(embed.norm, nn.Identity):
        return "a norm in the patch embedding"
    if embed.patch_size[0] != embed.patch_size[1]:
        return f"the non-square patch {embed.patch_size}"
    if model.attn_pool is not None:
        return "attention pooling"
    if hasattr(model, "selectors") and not selectors_of(model):
        return "a reduction of tokens without learned selectors"
    if model.global_pool not in ("token", "avg"):
        return f"the pooling {model.global_pool!r}"
    if not (_is_layernorm(model.norm_pre) or _is(model.norm_pre, nn.Identity)):
        return f"the norm {type(model.norm_pre).__name__}"
    finals = [m for m in (model.norm, model.fc_norm) if not _is(m, nn.Identity)]
    if len(finals) != 1 or not _is_layernorm(finals[0]):
        return "a final norm other than one LayerNorm"
    if not isinstance(model.head, nn.Linear):
        return "a model without classifier (num_classes=0)"
    return None


def _in_block(block: Any) -> str | None:
    if not _is(block, Block):
        return f"the block {type(block).__name__}"
    attention, mlp = block.attn, block.mlp
    if not _is(attention, Attention):
        return f"the attention {type(attention).__name__}"
    if not (_is(attention.q_norm, nn.Identity) and _is(attention.k_norm, nn.Identity)):
        return "qk_norm"
    if not _is(attention.norm, nn.Identity):
        return "scale_attn_norm"
    if attention.gate is not None:
        return "gated attention"
    if _is(mlp, GluMlp, SwiGLU):
        return "a gated MLP (SwiGLU)"
    if not _is(mlp, Mlp):
        return f"the MLP {type(mlp).__name__}"
    if not _is(mlp.norm, nn.Identity):
        return "scale_mlp_norm"
    for norm in (block.norm1, block.norm2):
        if not _is_layernorm(norm):
            return f"the norm {type(norm).__name__}"
    for scale in (block.ls1, block.ls2):
        if not _is(scale, nn.Identity, LayerScale):
            return f"the layer scale {type(scale).__name__}"
    return None
