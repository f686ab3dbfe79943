"""How long a model takes on this machine with fewer tokens, against all of them in the same run."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from hw.errors import UserError
from prune.rounds import timed
from prune.tokens.attach import attach_
from prune.tokens.baselines import Baseline
from prune.tokens.evit import EViT
from prune.tokens.learned import Selectors
from prune.tokens.recording import recording
from prune.tokens.selection import Record
from prune.tokens.stages import architecture
from prune.tokens.tome import ToMe


@dataclass(frozen=True)
class Latency:
    """A method's time for a batch of images."""

    method: str
    keep: float
    """Share of the patches that stay at each place where some are dropped."""
    batch: int
    tokens: tuple[float, ...]
    """Mean over images, behind each place, prefix and package included."""
    dense_ms: float
    """Least of all rounds, of the model with all tokens."""
    ms: float
    """Least of all rounds: whatever else runs on the machine only adds to it."""

    @property
    def ratio(self) -> float:
        """Time by the dense one's."""
        return self.ms / self.dense_ms


def measure(model: nn.Module, images: Tensor, keep: float, rounds: int) -> Iterator[Latency]:
    """Time selectors, EViT and ToMe in copies of `model`, in turn with the model itself.

    Args:
        model: a timm ViT, DeiT or PiT.
        images: one batch, normalized.
        keep: as `Latency`. ToMe merges as many tokens in every block as lead to the same end.
        rounds: how often each runs, once each to a round, after one for warming up.
    """
    methods = variants(model, images, keep)
    everything = {"dense": model, **methods}
    runs = {name: partial(changed, images) for name, changed in everything.items()}
    with torch.no_grad():
        seconds = timed(runs, rounds)
    dense = seconds.pop("dense")
    for name, times in seconds.items():
        yield Latency(
            name,
            keep,
            len(images),
            tuple(float(s.tokens.mean()) for s in _record(methods[name], images).values()),
            1000 * min(dense),
            1000 * min(times),
        )


def variants(model: nn.Module, images: Tensor, keep: float) -> dict[str, nn.Module]:
    """Copies of `model` that keep a share of the patches at a quarter, half and three quarters of
    its depth, by method."""
    depth = architecture(model).depth
    places = sorted({depth * quarter // 4 for quarter in (1, 2, 3)})
    patches = _record(attach_(copy.deepcopy(model), [0]), images[:1])[0].keep.shape[1]
    merged = round(patches * (1 - keep ** len(places)) / depth)
    selected = attach_(copy.deepcopy(model), places)
    set_rates_(selected, images, dict.fromkeys(places, keep))
    found: dict[str, nn.Module] = {"selectors": selected}
    baselines: dict[str, Baseline] = {
        "evit": EViT(dict.fromkeys(places, keep)),
        "tome": ToMe(merged),
    }
    for name, method in baselines.items():
        with suppress(UserError):  # a model without class token, or of other blocks
            found[name] = attach_(copy.deepcopy(model), method)
    return found


def set_rates_(model: nn.Module, images: Tensor, rates: Mapping[int, float]) -> None:
    """Set the selectors' thresholds so that each keeps a share of the patches before it.

    Args:
        images: those over which the shares hold together.
        rates: shares by block; each selector's for which none is given stays.
    """
    selectors = model.get_submodule("selectors")
    assert isinstance(selectors, Selectors)
    for block, rate in sorted(rates.items()):
        scores = _record(model, images)[block].scores
        threshold = torch.quantile(scores[scores > 0], 1 - rate)
        selectors.at(block).threshold = float(threshold)


@torch.no_grad()
def _record(model: nn.Module, images: Tensor) -> Record:
    with recording(model) as record:
        model(images)
    return record
