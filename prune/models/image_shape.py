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

    The patch embedding or the model knows its size and the model its channels, or else timm's
    `input_size`, or for the channels the first convolution.
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
    channels = getattr(model, "in_chans", None) or (described[0] if described else None)
    if channels is None:
        convolution = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        channels = 3 if convolution is None else convolution.in_channels
    return channels, height, width
