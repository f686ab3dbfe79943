"""What decides trained selectors: `TokenRecipe`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim import Optimizer

from hw.errors import UserError
from prune.finetune.recipe import Recipe
from prune.tokens.schedule import Search

_SHARES = ("cycles", "warm", "freeze", "quiet", "within", "tolerance")
_AT_LEAST_ZERO = ("keep_weight", "token_weight", "latency_weight")


@dataclass(frozen=True)
class TokenRecipe(Recipe):
    """The settings of a training of selectors, besides those of any finetuning.

    The losses' weights are those of SPViT's released code, the latency's excepted.

    Raises:
        UserError: on a value that cannot be used.
    """

    cycles: float = 0.6
    """Share of the dense model's cycles that the mean image may take."""
    held_out: float = 0.02
    label_smoothing: float = 0.0

    selector_lr: float = 3e-3
    """Of the selectors, at its peak; `lr` is the backbone's."""
    warm: float = 0.3
    """Share of the steps, at first, in which selectors learn what the dense model attends to."""
    freeze: float = 0.4
    """Share of the steps, at first, in which the backbone stays as it is; 1: it is not trained."""

    quiet: float = 0.0
    """Share of the steps, at last, whose decisions are drawn without noise, as at inference; before
    them, from the end of `warm`, the noise fades. 0: it stays as it is to the end."""

    keep_weight: float = 2.0
    """Of the squared distance from the schedule's keep rates."""
    token_weight: float = 0.5
    """Of the kept tokens' distance from the dense model's."""
    latency_weight: float = 4.0
    """Of the cycles above the budget, in units of the dense model's."""

    tolerance: float = 0.005
    """Loss of accuracy that a block tolerates, where the search of the schedule begins."""
    within: float = 0.085
    """Neighbouring blocks whose keep rates differ by no more share a selector."""
    phases: int = 3
    """At most so many selectors."""
    search_images: int = 256
    """Held-out images that the schedule is searched on."""
    threshold_images: int = 256
    """Training images that the thresholds are set on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name}={getattr(self, name)}: expected a number from 0 to 1")
        for name in _AT_LEAST_ZERO:
            if not getattr(self, name) >= 0:
                raise UserError(f"{name}={getattr(self, name)}: expected a number from 0")
        for name in ("phases", "search_images", "threshold_images"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}: expected at least one")
        for name in ("cycles", "tolerance", "selector_lr"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name}={getattr(self, name)}: expected more than 0")
        if self.qat:
            raise UserError("qat: selectors are trained in float; finetune with it before")

    @property
    def search(self) -> Search:
        return Search(self.tolerance, self.within, self.phases)


def make_token_optimizer(recipe: TokenRecipe, model: nn.Module) -> Optimizer:
    """timm's optimizer with another learning rate for the selectors; vectors do not decay.

    Raises:
        UserError: the optimizer cannot be made with these settings.
    """
    scale = recipe.selector_lr / recipe.lr

    def groups(model: nn.Module) -> Iterable[dict[str, Any]]:
        kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            selects = name.startswith("selectors.")
            # A selector's biases are a row a head.
            decays = parameter.ndim > 1 and not name.endswith("bias")
            kinds.setdefault((selects, decays), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr_scale": scale if selects else 1.0,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (selects, decays), parameters in kinds.items()
        ]

    try:
        return create_optimizer_v2(model, recipe.optimizer, lr=recipe.lr, param_group_fn=groups)
    except (TypeError, ValueError, AssertionError, ImportError) as error:
        raise UserError(
            f"optimizer {recipe.optimizer!r}: cannot be made ({str(error).splitlines()[0]}); "
            "use adamw"
        ) from error
