"""Training selectors: first what to look at, then by their effect, then the backbone with them.

In the first steps the selectors learn, in the dense network, which tokens the dense model attends
to. Then tokens are dropped, and the losses of `prune.tokens.losses` count; the backbone joins when
its freeze is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from prune.blocks import BlockMask
from prune.finetune.devices import product_dtype
from prune.finetune.loop import Data, Trainer
from prune.finetune.losses import loss
from prune.models import LoadedModel
from prune.tokens.attach import masked
from prune.tokens.cost import TokenCost
from prune.tokens.decision import Drawing
from prune.tokens.losses import keep_loss, latency_loss, ranking_loss, token_loss
from prune.tokens.ranking import attending, behind
from prune.tokens.recipe import TokenRecipe, make_token_optimizer
from prune.tokens.recording import recording
from prune.tokens.schedule import Rates
from prune.tokens.watching import watching


@dataclass(frozen=True)
class Goal:
    """What the selectors are to reach."""

    rates: Rates
    """Share of the patches that is to stay, by selector."""
    cost: TokenCost
    dense_cycles: float
    """Of the model with all tokens and all blocks."""


class SelectorTrainer(Trainer):
    """A student with selectors, its teacher, and the number of steps done."""

    recipe: TokenRecipe

    def __init__(
        self,
        recipe: TokenRecipe,
        accelerator: Accelerator,
        student: LoadedModel,
        teacher: LoadedModel,
        masks: dict[str, BlockMask],
        data: Data,
        goal: Goal,
    ) -> None:
        """Args as a `Trainer`'s, and the goal; `student` has the goal's selectors."""
        super().__init__(recipe, accelerator, student, teacher, masks, data, None)
        model: Any = student.model
        self._goal, self._prefix = goal, int(model.num_prefix_tokens)
        self._warm = round(recipe.warm * self.steps)
        self._frozen = max(round(recipe.freeze * self.steps), self._warm)
        self._backbone = [
            parameter
            for name, parameter in model.named_parameters()
            if not name.startswith("selectors.")
        ]
        self._live: dict[int, float] = {}

    def _make_optimizer(self, model: nn.Module) -> Optimizer:
        return make_token_optimizer(self.recipe, model)

    def _loss(self, images: Tensor, target: Tensor) -> Tensor:
        if self.accelerator.num_processes == 1:
            # Others wait for every parameter's gradient.
            for parameter in self._backbone:
                parameter.requires_grad_(self.step >= self._frozen)
        if self.step < self._warm:
            return self._ranking(images)
        return self._selecting(images, target)

    def _ranking(self, images: Tensor) -> Tensor:
        teacher, model = self._with_tokens()
        with torch.no_grad(), attending(teacher.blocks, self._prefix) as attention:
            teacher(images.to(product_dtype(self.accelerator)))
        selectors = {block: model.selectors[str(block)] for block in self._goal.rates}
        thresholds = {block: selector.threshold for block, selector in selectors.items()}
        model.eval()
        try:
            for selector in selectors.values():
                selector.threshold = -1.0
            entering = _inputs(list(selectors.values()))
            with torch.no_grad(), self.accelerator.autocast(), masked(model), entering as seen:
                model(images)
        finally:
            for block, selector in selectors.items():
                selector.threshold = thresholds[block]
            model.train()
        tokens = self._prefix + attention[0].shape[1]  # without the masked form's last one
        with self.accelerator.autocast():
            scores = {
                block: selector(x[:, :tokens], None, self._prefix)
                for (block, selector), x in zip(selectors.items(), seen, strict=True)
            }
        return ranking_loss(scores, behind(attention), self._goal.rates)

    def _selecting(self, images: Tensor, target: Tensor) -> Tensor:
        recipe, goal = self.recipe, self._goal
        teacher, model = self._with_tokens()
        with _outputs(teacher.norm) as taught_tokens:
            taught = self._taught(images)
        model.selectors.drawing = Drawing(noise=self._noise())
        with (
            recording(model) as record,
            _outputs(model.norm) as tokens,
            self.accelerator.autocast(),
        ):
            logits = self._model(images)
        last = record[max(record)]
        value = loss(recipe, logits, target, taught)
        value = value + recipe.keep_weight * keep_loss(record, goal.rates)
        value = value + recipe.token_weight * token_loss(tokens[0], taught_tokens[0], last.keep)
        if recipe.latency_weight:
            over = latency_loss(goal.cost, record, goal.dense_cycles, recipe.cycles)
            value = value + recipe.latency_weight * over.to(value)
        return value

    def _noise(self) -> float:
        """Of the next step's decisions: 1, or fading from there to 0 in the quiet steps."""
        if not self.recipe.quiet:
            return 1.0
        quiet = self.steps * (1 - self.recipe.quiet)
        if self.step >= quiet:
            return 0.0
        return (quiet - self.step) / (quiet - self._warm)

    def _with_tokens(self) -> tuple[Any, Any]:
        return self._teacher, self.student.model

    def _gradients_ready(self) -> None:
        if self.accelerator.num_processes == 1:
            return
        if self.step < self._frozen:
            for parameter in self._backbone:
                parameter.grad = None
        if self.step < self._warm:
            model: Any = self.student.model
            for parameter in model.selectors.parameters():
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")

    def top1(self, model: nn.Module) -> float | None:
        """As a `Trainer`; keeps how many tokens the selectors left."""
        if not hasattr(model, "selectors"):
            return super().top1(model)
        # Unfused attention, which training is faster with, would go over all images together.
        with watching(model) as counts, masked(model):
            found = super().top1(model)
        self._live = counts.means()
        return found

    def _figures(self) -> dict[str, Any]:
        if not self._live:
            return {}
        live = {block: torch.tensor(tokens) for block, tokens in self._live.items()}
        cycles = float(self._goal.cost(live))
        return {
            "live_tokens": {str(block): round(tokens, 2) for block, tokens in self._live.items()},
            "cycles_share": cycles / self._goal.dense_cycles,
        }


@torch.no_grad()
def start_at_(model: Any, rates: Rates) -> None:
    """Let fresh selectors score tokens about their keep rates, with weights that learn at once."""
    for block, rate in rates.items():
        keep = model.selectors[str(block)].keep
        keep.bias.fill_(torch.tensor(rate).logit(0.05).item())
        nn.init.trunc_normal_(keep.weight, std=keep.weight.shape[1] ** -0.5)


@contextmanager
def _inputs(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """What enters each of `modules` in the next forward."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for module in modules
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _outputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """What leaves `module` in the next forward."""
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()
