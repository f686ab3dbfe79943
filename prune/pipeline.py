"""One pruning run: load, quantize dense, prune to the budget, quantize again, write the artifacts.

`pruned.json` holds the settings too, so that a later round can repeat the run with another aim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from hw.ir import Network
from prune.allocation.budget import Unit
from prune.allocation.spend import TOLERANCE, Allocation
from prune.blocks import (
    apply_masks_,
)
from prune.calibration.store import Store
from prune.data import calibration_source
from prune.models.reach import why_dense
from prune.models.support import why_not_compilable
from prune.prepared import SHAPE_IMAGES, Prepared, prepare
from prune.quantize import quantize
from prune.report import Figures, figures, layer_rows, optimality, totals
from prune.run_folder import FORMAT_VERSION, Pruned, describe
from prune.selected import LIVE_IMAGES
from prune.settings import Settings
from prune.tokens.access import selectors_of
from prune.tokens.files import describe_selectors

RANDOM_WARNING = "the weights are random: cycles hold, accuracy and distortion mean nothing"
_SCALE_IMAGES = 128
"""Calibration images that the integer network's scales are taken from, at most."""
_ROUNDS = 5
_REFITS = 2
_CLOSE_ENOUGH = 0.002
"""Share of the budget that the quantized network may miss it by."""


def run(
    settings: Settings,
    aims: Mapping[Unit, float] | None = None,
    progress: Store | None = None,
) -> Pruned:
    """Prune as `settings` say; `aims` replace the targets of some budgets.

    Quantizing a pruned model can empty more tiles than its masks do: a value channel without
    weights is constant, and the projection behind it folds it into its bias. So the aims of the
    allocation are moved until the quantized network meets every budget, and spends those that bind.

    Raises:
        UserError: on any input that cannot be used, and when a budget cannot be reached.
    """
    prepared = prepare(
        settings.source,
        settings.method,
        settings.block,
        settings.config,
        settings.objective,
        settings.budgets,
        progress,
    )
    loaded = prepared.loaded
    dense = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    limits: Mapping[Unit, float] = dict(aims or {})
    goals = {
        unit: limits.get(unit, share * prepared.cost(unit).dense)
        for unit, share in settings.budgets.items()
    }
    attempts = partial(_attempt, settings, prepared, dense)
    limits, tried = _approach(goals, limits, partial(attempts, refit=False), _ROUNDS)
    # Refitting may choose other blocks, of which quantization empties others; and selectors choose
    # by features that blocks have changed.
    refits = _REFITS if prepared.selected is None else _ROUNDS
    _, tried = _approach(goals, limits, partial(attempts, refit=True), refits)
    allocation, network, predicted = tried.allocation, tried.network, tried.predicted
    report = _report(settings, prepared, allocation, predicted, aims)
    if network is not None:
        describe(network, report)
    return Pruned(network, loaded, allocation.masks, report, prepared.curves())


@dataclass(frozen=True)
class _Attempt:
    """Masks applied to the model, and what became of it."""

    allocation: Allocation
    network: Network | None
    predicted: Figures | None


def _approach(
    goals: Mapping[Unit, float],
    limits: Mapping[Unit, float],
    attempt: Callable[[Mapping[Unit, float]], _Attempt],
    rounds: int,
) -> tuple[Mapping[Unit, float], _Attempt]:
    """Move limits until an attempt within them meets the goals; the limits, and the attempt.

    Where blocks are too coarse for that: the last that kept to all goals, else the one that missed
    them by least.
    """
    fitting, excess = limits, math.inf
    for _ in range(rounds):
        tried = attempt(limits)
        missed = _missed(goals, tried)
        if not missed:
            return limits, tried
        over = max(0.0, *(-off / goals[unit] for unit, off in missed.items()))
        if not over or over < excess:
            fitting, excess = limits, over
        limits = {**limits, **{u: limits.get(u, goals[u]) + off for u, off in missed.items()}}
    return fitting, attempt(fitting)


def _attempt(
    settings: Settings,
    prepared: Prepared,
    dense: Mapping[str, Tensor],
    limits: Mapping[Unit, float],
    refit: bool,
) -> _Attempt:
    """Prune the model within `limits` and quantize it.

    Args:
        dense: its weights before pruning.
        refit: update the surviving weights, and calibrate with all images; otherwise the network
            is only good for counting.
    """
    loaded = prepared.loaded
    allocation = prepared.allocate(settings.budgets, limits)
    loaded.model.load_state_dict(dense)
    if refit:
        allocation = prepared.apply_(allocation)
    else:
        apply_masks_(loaded.model, allocation.masks)
    if prepared.dense is None:
        return _Attempt(allocation, None, None)
    images_from = calibration_source(loaded, settings.source.data)
    pixels = prepared.calibration[: _SCALE_IMAGES if refit else SHAPE_IMAGES]
    network = quantize(loaded, pixels, settings.block, images_from)
    live = None
    if prepared.selected is not None:
        # Without the refit the weights choose tokens at random.
        live = prepared.live() if refit else [prepared.selected.live]
    return _Attempt(allocation, network, figures(network, settings.config, live))


def _missed(goals: Mapping[Unit, float], tried: _Attempt) -> dict[Unit, float]:
    """What the quantized network leaves of budgets that bind, or takes above them (negative)."""
    found = tried.predicted.total if tried.predicted else {}
    missed = {unit: goal - found[unit] for unit, goal in goals.items() if unit in found}
    return {
        unit: off
        for unit, off in missed.items()
        if off < -TOLERANCE * goals[unit]
        or (tried.allocation.binding[unit] and off > _CLOSE_ENOUGH * goals[unit])
    }


def _report(
    settings: Settings,
    prepared: Prepared,
    allocation: Allocation,
    predicted: Figures | None,
    aims: Mapping[Unit, float] | None,
) -> dict[str, Any]:
    model = prepared.loaded.model
    dense = None if prepared.plain is None else figures(prepared.plain, settings.config)
    flops = prepared.cost("flops")
    report: dict[str, Any] = {
        "format": FORMAT_VERSION,
        **settings.to_dict(),
        "weights_source": prepared.loaded.weights_source,
        "compiled": dense is not None,
        "aims": dict(aims or {}),
        **totals(
            settings.budgets,
            {"flops": flops.dense, **(dense.total if dense else {})},
            {
                "flops": flops.total(allocation.masks),
                **(predicted.total if predicted else {}),
            },
        ),
        "optimality": optimality(allocation),
        "layers": layer_rows(allocation, dense, predicted),
        "left_dense": [
            {"name": name, "reason": reason} for name, reason in why_dense(model).items() if reason
        ],
    }
    if selectors_of(model):
        report["selectors"] = describe_selectors(model, prepared.inputs[:LIVE_IMAGES])
    if dense is None:
        report["why_not_compiled"] = why_not_compilable(model)
    if prepared.loaded.random:
        report["warning"] = RANDOM_WARNING
    return report
