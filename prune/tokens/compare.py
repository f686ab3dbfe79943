"""Top-1 of EViT and ToMe, as they are without training, at shares of the dense cycles."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from prune.models import LoadedModel
from prune.sweep.evaluate import Engine
from prune.sweep.images import TestImages
from prune.tokens.attach import attach_
from prune.tokens.baselines import Baseline
from prune.tokens.evit import EViT
from prune.tokens.pricing import BaselineCycles, evits, tomes, within
from prune.tokens.tome import ToMe


@dataclass(frozen=True)
class Choice:
    """A method whose settings meet a budget."""

    method: Baseline
    share: float
    """Of the dense cycles that were asked for."""
    spent: float
    """Of the dense cycles that it takes."""

    @property
    def name(self) -> str:
        """The method, as reports call it."""
        return "tome" if isinstance(self.method, ToMe) else "evit"

    @property
    def settings(self) -> str:
        """Its settings, for reports."""
        if isinstance(self.method, EViT):
            blocks, rates = zip(*self.method.rates.items(), strict=True)
            return f"{rates[0]:.0%} at blocks {', '.join(map(str, blocks))}"
        assert isinstance(self.method, ToMe)
        return f"merged {self.method.merged}".replace("(", "").replace(")", "")


def choices(cycles: BaselineCycles, shares: Sequence[float], patches: int) -> Iterator[Choice]:
    """EViT and ToMe within each share of the dense cycles.

    Args:
        patches: tokens that a block starts with, the prefix aside.

    Raises:
        UserError: a share cannot be reached.
    """
    for share in shares:
        for methods in (evits(cycles.depth), tomes(cycles.depth, patches)):
            method = within(cycles, methods, share)
            yield Choice(method, share, cycles(method) / cycles.dense)


def top1(loaded: LoadedModel, method: Baseline, images: TestImages, engine: Engine) -> float:
    """Fraction of the images that the model labels correctly with fewer tokens."""
    model = attach_(copy.deepcopy(loaded.model), method)
    return engine.top1(replace(loaded, model=model), images)
