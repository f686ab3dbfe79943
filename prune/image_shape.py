"""The input a model takes, as far as the model itself says: `image_shape`."""

from __future__ import annotations

from typing import Any

from torch import nn


def pretrained_config(model: nn.Module) -> dict[str, Any]:
    """timm's description of a model's weights and preprocessing; empty for models not from timm."""
    config: Any = getattr(model, "pretrained_cfg", None)
    return config or {}


def image_shape(model: nn.Module) -> tuple[int, int, int] | None:
    """Channels, height and width of an input image; None when nothing says it.

    The patch embedding or the model knows its size, or else timm's `input_size`; the channels are
    those of the first convolution.
    """
    described = pretrained_config(model).get("input_size")
    for holder in (getattr(model, "patch_embed", None), model):
        size = getattr(holder, "img_size", None)
        if size is not None:
            break
    else:
        size = described[1:] if described else None
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    convolution = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if convolution is None:
        return (described[0] if described else 3), height, width
    return convolution.in_channels, height, width
