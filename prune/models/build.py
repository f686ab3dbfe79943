"""Building timm models: their arguments, and errors in one line."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn

from hw.errors import UserError
from prune.models.image_shape import pretrained_config
from prune.models.support import classifier_names


def arguments_of(state: dict[str, torch.Tensor], outline: nn.Module) -> dict[str, Any]:
    """What a checkpoint says about its model: the classes, and layer scales folded away."""
    found: dict[str, Any] = {}
    for name in classifier_names(outline):
        if f"{name}.weight" in state:
            found["num_classes"] = state[f"{name}.weight"].shape[0]
    scale = "blocks.0.ls1.gamma"
    if scale in dict(outline.named_parameters()) and scale not in state:
        found["init_values"] = 0.0  # timm drops None, and takes 0 for no layer scale
    return found


def build(name: str, timm_name: str, arguments: dict[str, Any], device: str) -> nn.Module:
    """The timm model `timm_name` with `arguments`, on `device`, where `meta` holds no weights.

    Raises:
        UserError: calling the user's model `name`, when timm cannot build it.
    """
    try:
        with torch.device(device):
            model = timm.create_model(timm_name, pretrained=False, **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"model {name!r}: {timm_name} cannot be built with {given or 'its defaults'} "
            f"({reason}); change them"
        ) from error
    return with_size(model, arguments)


def with_size(model: Any, arguments: dict[str, Any]) -> nn.Module:
    """`model` with the images that were asked for in its configuration: not all keep them."""
    config = pretrained_config(model)
    if config:
        channels, height, width = config.get("input_size", (3, 224, 224))
        size = arguments.get("img_size")
        height, width = (height, width) if size is None else (size, size)
        shape = arguments.get("in_chans", channels), height, width
        model.pretrained_cfg = {**config, "input_size": shape}
    return model
