"""Getting a transformer of timm with weights: `load_model`."""

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
from prune.models.build import arguments_of, build, with_size
from prune.models.checkpoint import load_state, read_checkpoint
from prune.models.image_shape import image_shape, pretrained_config
from prune.models.initialize import initialize
from prune.models.names import DEMO, ModelName, parse_name
from prune.models.pretrained import why_unavailable
from prune.models.support import why_not_compilable, why_not_prunable
from prune.tokens.access import attach_saved_

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LoadedModel:
    """A float model in evaluation mode, and where it came from."""

    model: nn.Module
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
        """Channels, height and width of an input image.

        Raises:
            UserError: the model does not say.
        """
        shape = image_shape(self.model)
        if shape is None:
            raise UserError(f"model {self.name!r}: does not say its image size; set img_size")
        return shape

    def compilable(self) -> VisionTransformer:
        """The model as one that the compiler runs.

        Raises:
            UserError: the compiler cannot run it; with what can be done instead.
        """
        _check_compilable(self.name, self.model)
        assert isinstance(self.model, VisionTransformer)
        return self.model


def _check_compilable(name: str, model: nn.Module) -> None:
    reason = why_not_compilable(model)
    if reason is not None:
        raise UserError(
            f"model {name!r}: cannot be compiled ({reason}); prune it in FLOPs with "
            "`python -m prune run ... --flops SHARE`, export it with "
            "`python -m prune export`, or choose a plain ViT or DeiT, as deit_s"
        )


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def load_model(
    name: str,
    checkpoint: Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = _to_stderr,
    to_compile: bool = False,
) -> LoadedModel:
    """Build the model called `name` and give it weights.

    Weights come from `checkpoint`; else the bundled file for the demo, timm's pretrained weights
    for the others; else, when those cannot be had, from the random generator seeded by `seed`. A
    checkpoint with token selectors brings them along.

    Args:
        name: `demo`, `deit_t`, `deit_s`, `deit_b` or a timm name, with overrides as in
            `vit_small_patch14_dinov2:img_size=98,num_classes=10`.
        checkpoint: a `.safetensors` or `.pth` file.
        seed: of random weights.
        say: takes the lines for the user's terminal.
        to_compile: refuse a model that the compiler cannot run, before its weights are looked for.

    Raises:
        UserError: the name is unknown, the model is no Vision Transformer, or the checkpoint is
            damaged or belongs to another model.
    """
    parsed = parse_name(name)
    state = read_checkpoint(checkpoint) if checkpoint is not None else None
    model: nn.Module
    if parsed.timm_name == DEMO:
        model, source = _load_demo(checkpoint, state)
    else:
        model, source = _load_timm(name, parsed, checkpoint, state, seed, say, to_compile)
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
        attach_saved_(model, state)
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
    to_compile: bool,
) -> tuple[nn.Module, str]:
    arguments: dict[str, Any] = dict(parsed.overrides)
    model = build(name, parsed.timm_name, arguments, "meta")
    reason = why_not_prunable(model)
    if reason is not None:
        raise UserError(f"model {name!r}: {reason}; choose one, as deit_s")
    if state is not None:
        arguments = {**arguments_of(state, model), **arguments}
        model = build(name, parsed.timm_name, arguments, "meta")
    if to_compile:
        _check_compilable(name, model)
    if why_not_compilable(model) is None:
        model = model.to_empty(device="cpu")  # everything in it is overwritten
    else:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            model = build(name, parsed.timm_name, arguments, "cpu")
    if checkpoint is not None and state is not None:
        attach_saved_(model, state)
        load_state(model, state, checkpoint, name)
        return model, f"checkpoint {checkpoint.name}"
    reason = why_unavailable(pretrained_config(model))
    if reason is None:
        try:
            pretrained: Any = timm.create_model(parsed.timm_name, pretrained=True, **arguments)
            return with_size(pretrained, arguments), "timm pretrained"
        except Exception as error:  # whatever the hub, the network or the disk raises
            reason = f"the download failed: {str(error).splitlines()[0]}"
    initialize(model, seed)
    say(
        f"{name}: pretrained weights are not available ({reason}); using random weights, seed "
        f"{seed}. Cycles still hold, accuracy means NOTHING. Pass a checkpoint for real weights."
    )
    return model, f"random (seed {seed})"


def _normalization(
    parsed: ModelName, model: nn.Module
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if parsed.timm_name == DEMO:
        from prune.demo import MEAN, STD

        return MEAN, STD
    config = pretrained_config(model)
    mean = tuple(config.get("mean") or IMAGENET_MEAN)
    std = tuple(config.get("std") or IMAGENET_STD)
    shape = image_shape(model)
    channels = len(mean) if shape is None else shape[0]
    if len(mean) == channels:
        return mean, std
    average = [(sum(values) / len(values),) * channels for values in (mean, std)]
    return average[0], average[1]
