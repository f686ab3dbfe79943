"""Getting a Vision Transformer with weights: `load_model`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.errors import UserError
from prune.checkpoint import load_state, read_checkpoint
from prune.initialize import initialize
from prune.names import DEMO, ModelName, parse_name
from prune.pretrained import why_unavailable
from prune.support import unsupported_feature

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LoadedModel:
    """A float model in evaluation mode, and where it came from."""

    model: VisionTransformer
    name: str
    weights_source: str
    """`bundled demo`, `checkpoint <file name>`, `timm pretrained`, or `random (seed N)`."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per input channel, of pixels in [0, 1]."""
    random: bool
    """Whether the weights are random, so that accuracy means nothing."""
    seed: int = 0

    @property
    def is_demo(self) -> bool:
        """Whether the bundled Fashion-MNIST images are this model's own data."""
        return self.name == DEMO

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an input image."""
        height, width = self.model.patch_embed.img_size
        return self.model.in_chans, height, width


def pretrained_config(model: nn.Module) -> dict[str, Any]:
    """timm's description of a model's weights and preprocessing; empty for models not from timm."""
    config: Any = getattr(model, "pretrained_cfg", None)
    return config or {}


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def load_model(
    name: str,
    checkpoint: Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = _to_stderr,
) -> LoadedModel:
    """Build the model called `name` and give it weights.

    Weights come from `checkpoint`; else the bundled file for the demo, timm's pretrained weights
    for the others; else, when those cannot be had, from the random generator seeded by `seed`.

    Args:
        name: `demo`, `deit_t`, `deit_s`, `deit_b` or a timm name, with overrides as in
            `vit_small_patch14_dinov2:img_size=98,num_classes=10`.
        checkpoint: a `.safetensors` or `.pth` file.
        seed: of random weights.
        say: takes the lines for the user's terminal.

    Raises:
        UserError: the name is unknown, the model is no Vision Transformer or has a feature
            without integer form, or the checkpoint is damaged or belongs to another model.
    """
    parsed = parse_name(name)
    state = read_checkpoint(checkpoint) if checkpoint is not None else None
    if parsed.timm_name == DEMO:
        model, source = _load_demo(checkpoint, state)
    else:
        model, source = _load_timm(name, parsed, checkpoint, state, seed, say)
    mean, std = _normalization(parsed, model)
    return LoadedModel(
        model=model.eval().requires_grad_(False),
        name=name,
        weights_source=source,
        mean=mean,
        std=std,
        random=source.startswith("random"),
        seed=seed,
    )


def _load_demo(
    checkpoint: Path | None, state: dict[str, torch.Tensor] | None
) -> tuple[VisionTransformer, str]:
    from prune.demo import build_demo, load_bundled_weights

    model = build_demo()
    if checkpoint is not None and state is not None:
        load_state(model, state, checkpoint, DEMO)
        return model, f"checkpoint {checkpoint.name}"
    model.load_state_dict(load_bundled_weights())
    return model, "bundled demo"


def _load_timm(
    name: str,
    parsed: ModelName,
    checkpoint: Path | None,
    state: dict[str, torch.Tensor] | None,
    seed: int,
    say: Callable[[str], None],
) -> tuple[VisionTransformer, str]:
    arguments: dict[str, Any] = dict(parsed.overrides)
    if state is not None:
        arguments = {**_arguments_of(state, arguments), **arguments}
    model = _build(name, parsed.timm_name, arguments)
    if checkpoint is not None and state is not None:
        load_state(model, state, checkpoint, name)
        return model, f"checkpoint {checkpoint.name}"
    reason = why_unavailable(pretrained_config(model))
    if reason is None:
        try:
            pretrained: Any = timm.create_model(parsed.timm_name, pretrained=True, **arguments)
            return pretrained, "timm pretrained"
        except Exception as error:  # whatever the hub, the network or the disk raises
            reason = f"the download failed: {str(error).splitlines()[0]}"
    initialize(model, seed)
    say(
        f"{name}: pretrained weights are not available ({reason}); using random weights, seed "
        f"{seed}. Cycles still hold, accuracy means NOTHING. Pass a checkpoint for real weights."
    )
    return model, f"random (seed {seed})"


def _arguments_of(state: dict[str, torch.Tensor], given: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint says about its model: the classes, and layer scales folded away."""
    found: dict[str, Any] = {}
    if "head.weight" in state:
        found["num_classes"] = state["head.weight"].shape[0]
    if "blocks.0.norm1.weight" in state and "blocks.0.ls1.gamma" not in state:
        found["init_values"] = 0.0  # timm drops None, and takes 0 for no layer scale
    return {key: value for key, value in found.items() if key not in given}


def _build(name: str, timm_name: str, arguments: dict[str, Any]) -> VisionTransformer:
    try:
        with torch.device("meta"):  # every parameter is overwritten later
            model = timm.create_model(timm_name, pretrained=False, **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"model {name!r}: {timm_name} cannot be built with {given or 'its defaults'} "
            f"({reason}); change them"
        ) from error
    if getattr(model, "rope", None) is not None:
        raise UserError(f"model {name!r}: rotary position embedding (RoPE) is not supported")
    if not isinstance(model, VisionTransformer):
        raise UserError(
            f"model {name!r}: {type(model).__name__} is not timm's VisionTransformer; "
            "choose a ViT or DeiT, as deit_s"
        )
    feature = unsupported_feature(model)
    if feature is not None:
        raise UserError(
            f"model {name!r}: {feature} is not supported; choose a plain ViT or DeiT, as deit_s"
        )
    return model.to_empty(device="cpu")


def _normalization(
    parsed: ModelName, model: VisionTransformer
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if parsed.timm_name == DEMO:
        from prune.demo import MEAN, STD

        return MEAN, STD
    config = pretrained_config(model)
    mean = tuple(config.get("mean") or IMAGENET_MEAN)
    std = tuple(config.get("std") or IMAGENET_STD)
    if len(mean) == model.in_chans:
        return mean, std
    average = [(sum(values) / len(values),) * model.in_chans for values in (mean, std)]
    return average[0], average[1]
