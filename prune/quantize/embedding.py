"""The input side of a network: the image, and the tokens and positions added to its patches."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from hw.integer import INT8_MAX
from hw.ir import ImageSpec
from hw.quantization import Floats
from prune.models import LoadedModel


def image_spec(loaded: LoadedModel) -> ImageSpec:
    """The input of `loaded`; its scale covers every pixel value."""
    channels, height, width = loaded.image_shape
    reach = [max(mean, 1 - mean) / std for mean, std in zip(loaded.mean, loaded.std, strict=True)]
    return ImageSpec(
        channels=channels,
        height=height,
        width=width,
        patch=loaded.compilable().patch_embed.patch_size[0],
        scale=max(reach) / INT8_MAX,
        mean=loaded.mean,
        std=loaded.std,
    )


def embedding_tokens(model: VisionTransformer) -> tuple[Floats, Floats]:
    """Prefix tokens with their positions (prefix, features), and positions (tokens, features)."""
    names = ("cls_token", "dist_token", "reg_token")
    tokens = [getattr(model, name, None) for name in names]
    parts: list[Tensor] = [token[0] for token in tokens if token is not None]
    empty = torch.zeros(0, model.embed_dim)
    prefix = torch.cat(parts) if parts else empty
    patches = model.patch_embed.num_patches
    position = torch.zeros(len(prefix) + patches, model.embed_dim)
    if model.pos_embed is not None:
        table = model.pos_embed[0]
        position[len(position) - len(table) :] = table
    prefix = prefix + position[: len(prefix)]
    position[: len(prefix)] = 0
    return prefix.detach().double().numpy(), position.detach().double().numpy()
