"""What decides the finetuned weights: `Recipe`, and timm's optimizer and schedule made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from timm.optim import create_optimizer_v2, list_optimizers
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from torch import nn
from torch.optim import Optimizer

from hw.artifacts import read_json
from hw.errors import UserError

DISTILLATIONS = ("soft", "hard", "none")
PRECISIONS = ("auto", "bf16", "fp16", "no")
SCHEDULES = ("cosine", "tanh", "poly", "constant")
_SHARES = ("distill_weight", "label_smoothing", "hflip", "random_erase", "held_out", "warmup")
_AT_LEAST_ZERO = ("weight_decay", "color_jitter", "mixup", "cutmix", "seed")
_POSITIVE = ("epochs", "steps", "lr", "batch_size", "temperature", "gradient_clip")


@dataclass(frozen=True)
class Recipe:
    """The settings of a finetuning; an interrupted run is resumed with the same ones.

    The defaults suit a short recovery of a pruned model on few images: little augmentation, most of
    the signal from the dense model's soft labels.

    Raises:
        UserError: on a value that cannot be used.
    """

    epochs: float = 1.0
    """Passes over the training images; part of one is fine."""
    steps: int | None = None
    """Optimizer steps, instead of `epochs`."""
    limit_images: int | None = None
    """Train on so many images, a seeded choice; None: on all."""
    held_out: float = 0.04
    """Share of the images that is kept out of training, to measure top-1 on."""
    seed: int = 0
    batch_size: int = 64
    """Images a step, over all processes."""
    precision: str = "auto"
    """`bf16`, `fp16`, `no` (float32), or `auto`: bf16 where the machine multiplies in it."""

    optimizer: str = "adamw"
    """One of timm's."""
    lr: float = 2e-5
    """Of the last layers, at its peak. Small: 15 steps of 2e-4 took a ViT-S whose layer scales are
    folded into its weights from 89 to 21 %."""
    layer_decay: float = 1.0
    """Factor of the learning rate from layer to layer, towards the input."""
    weight_decay: float = 0.02
    schedule: str = "cosine"
    """One of timm's."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float | None = None
    """Decay of a moving average of the weights, which then is the result."""

    distill: str = "soft"
    """The dense model teaches its probabilities (`soft`), its top-1 (`hard`) or nothing."""
    distill_weight: float = 0.8
    """Share of the loss that is distillation."""
    temperature: float = 2.0
    """Of the soft probabilities."""
    label_smoothing: float = 0.05

    crop: float = 0.7
    """Least share of an image's area that a random crop takes."""
    hflip: float = 0.5
    """Probability."""
    color_jitter: float = 0.0
    auto_augment: str | None = None
    """timm's policy, as `rand-m6-n2-mstd0.5`."""
    random_erase: float = 0.0
    """Probability."""
    mixup: float = 0.0
    """Alpha; 0: off."""
    cutmix: float = 0.0
    """Alpha; 0: off."""

    qat: bool = False
    """Train with weights and layer inputs rounded as the integer network rounds them."""

    def __post_init__(self) -> None:
        for names, bad, wanted in (
            (_SHARES, lambda x: not 0 <= x < 1 and x != 1, "from 0 to 1"),
            (_AT_LEAST_ZERO, lambda x: not x >= 0, "at least 0"),
            (_POSITIVE, lambda x: not x > 0, "more than 0"),
            (("crop", "layer_decay"), lambda x: not 0 < x <= 1, "in (0, 1]"),
        ):
            for name in names:
                value = getattr(self, name)
                if value is not None and bad(value):
                    raise UserError(f"{name}={value}: expected a number {wanted}")
        _check_choice("distill", self.distill, DISTILLATIONS)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        if self.held_out == 1:
            raise UserError("held_out=1: leaves no image to train on; expected less, as 0.04")
        if self.ema is not None and not 0 < self.ema < 1:
            raise UserError(f"ema={self.ema}: expected a decay in (0, 1), as 0.999")
        if self.limit_images is not None and self.limit_images < 1:
            raise UserError(f"limit_images={self.limit_images}: expected at least one")
        if self.optimizer not in list_optimizers():
            raise UserError(f"optimizer {self.optimizer!r}: timm has none of this name, use adamw")

    @classmethod
    def of(cls, path: Path | None, given: Mapping[str, Any]) -> Self:
        """From a JSON file of fields, if any, and the values of `given` that are not None.

        Raises:
            UserError: the file is missing or damaged, or has an unknown field or a bad value.
        """
        entries: Any = {} if path is None else read_json(path, "a JSON object of recipe fields")
        if not isinstance(entries, dict):
            raise UserError(f"{path}: expected a JSON object of recipe fields, as {{'lr': 1e-4}}")
        kinds = {field.name: str(field.type) for field in fields(cls)}
        for name, value in entries.items():
            if name not in kinds:
                raise UserError(f"{path}: no field {name!r}; known are {', '.join(kinds)}")
            if not _fits(value, kinds[name]):
                raise UserError(f"{path}: {name}={value!r}: expected {kinds[name]}")
        return cls(**entries | {key: value for key, value in given.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{name} {value!r}: expected one of {', '.join(choices)}")


def _fits(value: Any, kind: str) -> bool:
    """Whether a JSON value is of the kind that a field's annotation names."""
    if value is None or isinstance(value, bool):
        return ("None" if value is None else "bool") in kind
    number = isinstance(value, int) or (isinstance(value, float) and "float" in kind)
    return (number and kind != "bool" and "str" not in kind) or (
        isinstance(value, str) and "str" in kind
    )


def make_optimizer(recipe: Recipe, model: nn.Module) -> Optimizer:
    """timm's optimizer; biases, norms and embeddings do not decay.

    Raises:
        UserError: the optimizer cannot be made with these settings.
    """
    layer_decay = recipe.layer_decay if recipe.layer_decay < 1 else None
    # torch's own AdamW can walk the weights once a step instead of once an operation.
    fused: dict[str, Any] = {"fused": True} if recipe.optimizer == "adamw" else {}
    try:
        return create_optimizer_v2(
            model,
            recipe.optimizer,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            layer_decay=layer_decay,
            **fused,
        )
    except (TypeError, ValueError, AssertionError, ImportError) as error:
        raise UserError(
            f"optimizer {recipe.optimizer!r}: cannot be made ({str(error).splitlines()[0]}); "
            "use adamw"
        ) from error


def make_schedule(recipe: Recipe, optimizer: Optimizer, steps: int) -> Scheduler:
    """timm's schedule over `steps` updates: a rise, then a fall to a hundredth."""
    schedule, _ = create_scheduler_v2(
        optimizer,
        recipe.schedule,
        num_epochs=steps,
        warmup_epochs=int(recipe.warmup * steps),
        warmup_lr=recipe.lr / 100,
        min_lr=recipe.lr / 100,
        step_on_epochs=False,
        updates_per_epoch=1,
    )
    assert schedule is not None
    return schedule
