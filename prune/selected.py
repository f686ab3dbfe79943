"""Models with token selectors, as pruning takes and prices them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from statistics import mean

from hw.ir import Network
from prune.models import LoadedModel, load_model
from prune.settings import Source
from prune.tokens import detach_
from prune.tokens.files import load_selected
from sim.live import LiveCounts

LIVE_IMAGES = 64
"""Calibration images that live tokens are counted on, at most."""


@dataclass(frozen=True)
class Selected:
    """What a model with token selectors is priced by."""

    plain: Network
    """The dense network without them."""
    live: LiveCounts
    """Tokens that they leave of the mean calibration image, before pruning."""


def load_source(source: Source, to_compile: bool = False) -> LoadedModel:
    """The model, with the token selectors that the source names.

    Args:
        to_compile: refuse a model that the compiler cannot run.

    Raises:
        UserError: on weights or selectors that cannot be used.
    """
    given = source.model, source.checkpoint
    if source.selectors is None:
        return load_model(*given, source.seed, to_compile=to_compile)
    return load_selected(*given, source.selectors, source.seed, to_compile)


def without_selectors(loaded: LoadedModel) -> LoadedModel:
    """A copy of a model with selectors that has none."""
    return replace(loaded, model=detach_(deepcopy(loaded.model)))


def mean_live(images: Sequence[LiveCounts]) -> LiveCounts:
    """The tokens that the selectors leave of the mean image."""
    return {name: round(mean(image[name] for image in images)) for name in images[0]}
