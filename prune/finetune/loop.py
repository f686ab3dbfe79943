"""The training loop: steps, held-out measurements, states to resume from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from rich.progress import Progress, TaskID
from timm.data import Mixup
from timm.utils import ModelEmaV3, random_seed
from torch import Tensor, nn
from torch.optim import Optimizer

from hw.errors import UserError
from prune.blocks import BlockMask
from prune.finetune.devices import product_dtype, suit_device_
from prune.finetune.draws import Batches, load, seed_of
from prune.finetune.evaluate import top1
from prune.finetune.images import AugmentedImages, LabelledImages, augmentation
from prune.finetune.losses import loss
from prune.finetune.masks import FixedMasks
from prune.finetune.qat import QuantizationAware
from prune.finetune.recipe import Recipe, make_optimizer, make_schedule
from prune.models import LoadedModel

_STEP_SEEDS = 1
"""Marks seeds of steps, beside those of images."""


@dataclass(frozen=True)
class Data:
    """Images to train on and images to measure on."""

    train: LabelledImages
    held_out: LabelledImages
    workers: int
    """Processes that read images; 0: none but this one."""


class Trainer:
    """A student, its teacher, and the number of steps done."""

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator,
        student: LoadedModel,
        teacher: LoadedModel | None,
        masks: dict[str, BlockMask],
        data: Data,
        calibration: Tensor | None,
    ) -> None:
        """Set everything up for the first step.

        Args:
            recipe: of the training, with its precision decided.
            accelerator: of this process.
            student: to train.
            teacher: the dense model; None: no distillation.
            masks: of the student's layers.
            data: images.
            calibration: pixels in [0, 1] (N, C, H, W), for training in integers.
        """
        processes = accelerator.num_processes
        if recipe.batch_size % processes:
            raise UserError(
                f"batch_size={recipe.batch_size}: expected a multiple of the {processes} processes"
            )
        self.recipe, self.accelerator, self.student, self.data = recipe, accelerator, student, data
        self.step, self.log = 0, list[dict[str, Any]]()
        self.steps_per_epoch = len(data.train) // recipe.batch_size
        self.steps = recipe.steps or max(round(recipe.epochs * self.steps_per_epoch), 1)
        model = student.model.to(accelerator.device).requires_grad_(True)
        self._unfused = suit_device_(model, accelerator.device)
        self.qat = None
        if recipe.qat and calibration is not None:
            self.qat = QuantizationAware(student, calibration)
        self._masks = FixedMasks(model, masks)
        self._transform = augmentation(student, recipe)
        optimizer = self._make_optimizer(model)
        self._schedule = make_schedule(recipe, optimizer, self.steps)
        self._ema = ModelEmaV3(model, recipe.ema) if recipe.ema is not None else None
        self._model, self._optimizer = accelerator.prepare(model, optimizer)
        self._teacher = None if teacher is None else _teaching(teacher, accelerator)
        self._mixup = _mixup(recipe, student, processes)
        self._total = torch.zeros((), device=accelerator.device)

    @property
    def epoch(self) -> float:
        return self.step / self.steps_per_epoch

    def train(
        self, save: Callable[[], None], save_every: int, progress: Progress, task: TaskID
    ) -> None:
        """Take all steps that are left; `save` is called every so many and after every epoch.

        Raises:
            UserError: a damaged image, or a loss that is no number.
        """
        started, first = time.monotonic(), self.step
        self._model.train()
        for images, labels in self._batches():
            if self.step and self.step % self.steps_per_epoch == 0:
                self._calibrate()
            self._total += self.take_step(images, labels)
            done_epoch = self.step % self.steps_per_epoch == 0 or self.step == self.steps
            seconds = time.monotonic() - started
            speed = (self.step - first) * self.recipe.batch_size / seconds
            progress.update(task, completed=self.step, speed=f"{speed:.1f} images/s")
            if done_epoch:
                self._end_epoch(speed)
                progress.console.print(_line(self.log[-1]))
            if done_epoch or self.step % save_every == 0:
                self._check_loss()
                save()
            if done_epoch:
                started, first = time.monotonic(), self.step

    def _calibrate(self) -> None:
        if self.qat is not None:
            self.qat.calibrate()
            if self._ema is not None:
                self.qat.share_scales(self._ema.module)

    def take_step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One update from normalized images (N, C, H, W) and labels (N); the loss, detached."""
        # The mixing depends on the step alone, so that a resumed run draws the same.
        random_seed(seed_of(self.recipe.seed, _STEP_SEEDS, self.step))
        target = labels
        if self._mixup is not None:
            images, target = self._mixup(images, labels)
        value = self._loss(images, target)
        self.accelerator.backward(value)
        self._gradients_ready()
        self._masks.clear_gradients_()
        self.accelerator.clip_grad_norm_(self._model.parameters(), self.recipe.gradient_clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._masks.apply_()
        self.step += 1
        self._schedule.step_update(self.step)
        if self._ema is not None:
            self._ema.update(self.student.model)
        return value.detach()

    def _make_optimizer(self, model: nn.Module) -> Optimizer:
        return make_optimizer(self.recipe, model)

    def _loss(self, images: Tensor, target: Tensor) -> Tensor:
        """Of normalized images (N, C, H, W); the target is labels (N) or probabilities."""
        taught = self._taught(images)
        with self.accelerator.autocast():
            logits = self._model(images)
        return loss(self.recipe, logits, target, taught)

    def _gradients_ready(self) -> None:
        """Called before the gradients are used."""

    @torch.no_grad()
    def _taught(self, images: Tensor) -> Tensor | None:
        """The teacher's logits."""
        if self._teacher is None:
            return None
        return self._teacher(images.to(product_dtype(self.accelerator)))

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        batches = Batches(
            len(self.data.train),
            self.recipe.batch_size,
            self.recipe.seed,
            self.step,
            self.steps,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        images = AugmentedImages(self.data.train, self._transform)
        return load(images, self.accelerator, self.data.workers, batch_sampler=batches)

    def top1(self, model: nn.Module) -> float | None:
        """Share of the held-out images that `model` labels right; None without any."""
        return top1(model, self.data.held_out, self.student, self.accelerator, self.data.workers)

    def measure(self) -> dict[str, float | None]:
        """Held-out top-1 of the student as it is and of the teacher."""
        model = self.result.eval()
        found = {"student": self.top1(model), "teacher": None}
        model.train()
        if self._teacher is not None:
            found["teacher"] = self.top1(self._teacher)
        return found

    @property
    def result(self) -> nn.Module:
        """The trained model: the moving average if there is one."""
        return self.student.model if self._ema is None else self._ema.module

    def finish(self) -> None:
        """Make the student a float model in evaluation mode on the CPU, with the trained weights.

        Its attention is as before, too: what is constant in one form is noise in the other.
        """
        trained = self.result.state_dict()
        if self.qat is not None:
            self.qat.remove()
        self.student.model.load_state_dict(trained)
        self.student.model.cpu().eval().requires_grad_(False)
        for module in self._unfused:
            module.fused_attn = True

    def _end_epoch(self, speed: float) -> None:
        since = self.log[-1]["step"] if self.log else 0
        mean = self.accelerator.reduce(self._total, "mean").item() / (self.step - since)
        self._total.zero_()
        model = self.result.eval()
        entry = {
            "epoch": self.epoch,
            "step": self.step,
            "loss": mean,
            "held_out_top1": self.top1(model),
            "images_per_second": round(speed, 1),
            **self._figures(),
        }
        model.train()
        self.log.append(entry)

    def _figures(self) -> dict[str, Any]:
        """More about the last measurement on held-out images."""
        return {}

    def _check_loss(self) -> None:
        last = self.log[-1]["loss"] if self.log else 0.0
        if not torch.isfinite(self._total + last):
            raise UserError(
                f"lr={self.recipe.lr}: the loss is no number after {self.step} steps; use less, "
                f"as --lr {self.recipe.lr / 10:g}"
            )

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        scaler = self.accelerator.scaler
        return {
            "step": self.step,
            "log": self.log,
            "total": self._total,
            "model": self.student.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "ema": None if self._ema is None else self._ema.module.state_dict(),
            "qat": None if self.qat is None else self.qat.state(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.step, self.log = state["step"], state["log"]
        self._total.copy_(state["total"])
        self.student.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        if self._ema is not None:
            self._ema.module.load_state_dict(state["ema"])
        if self.qat is not None:
            self.qat.load_state(state["qat"])
            if self._ema is not None:
                self.qat.share_scales(self._ema.module)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])


def _teaching(teacher: LoadedModel, accelerator: Accelerator) -> nn.Module:
    """The teacher in the precision of the products, which saves casting its weights."""
    model = teacher.model.eval().requires_grad_(False)
    suit_device_(model, accelerator.device)
    return model.to(accelerator.device, product_dtype(accelerator))


def _mixup(recipe: Recipe, student: LoadedModel, processes: int) -> Mixup | None:
    if not recipe.mixup and not recipe.cutmix:
        return None
    if recipe.batch_size // processes % 2:
        raise UserError(f"batch_size={recipe.batch_size}: mixup and cutmix need an even number")
    return Mixup(
        recipe.mixup,
        recipe.cutmix,
        label_smoothing=recipe.label_smoothing,
        num_classes=student.model.num_classes,
    )


def _line(entry: dict[str, Any]) -> str:
    top1 = entry["held_out_top1"]
    measured = "" if top1 is None else f", held-out top-1 {top1:.2%}"
    if "cycles_share" in entry:
        measured += f" at {entry['cycles_share']:.1%} of the cycles"
    return f"epoch {entry['epoch']:.3g}, step {entry['step']}: loss {entry['loss']:.4f}{measured}"
