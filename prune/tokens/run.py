"""Selectors for a model or for a pruning run: where, how many tokens, training, thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console

from hw.errors import UserError
from prune.finetune import checkpoint
from prune.finetune.devices import make_accelerator
from prune.finetune.images import LabelledImages, labelled_images, split
from prune.finetune.loop import Data
from prune.finetune.pruning_run import PruningRun, load_teacher
from prune.finetune.run import trained_weights
from prune.finetune.running import Journal, Running, train
from prune.prepared import SHAPE_IMAGES
from prune.quantize import quantize
from prune.tokens.attach import attach_
from prune.tokens.cost import TokenCost
from prune.tokens.levels import rate_thresholds
from prune.tokens.probe import Probe
from prune.tokens.recipe import TokenRecipe
from prune.tokens.samples import Samples
from prune.tokens.schedule import Rates, Schedule, find_schedule, fit, least_share
from prune.tokens.settle import LOG, named, settle, write_selected
from prune.tokens.training import Goal, SelectorTrainer, start_at_


def train_selectors(
    run: PruningRun,
    data: Path,
    out: Path,
    recipe: TokenRecipe,
    running: Running | None = None,
    teacher: Path | None = None,
) -> dict[str, Any]:
    """Give the model of `run` token selectors that meet a budget, and write it like a pruning run.

    Args:
        run: read from a folder, or of a model that nothing was pruned of; its masks stay.
        data: training images.
        out: another folder; besides the artifacts it gets `tokens.json`, the log.
        recipe: of the training.
        running: how to run it.
        teacher: checkpoint of the dense model; None: the one that was pruned.

    Returns:
        The report, as in `pruned.json`.

    Raises:
        UserError: on any input that cannot be used.
    """
    running = running or Running()
    running.check(out, run.folder)
    _check(run)
    images = labelled_images(run.student, data)
    accelerator = make_accelerator(recipe.precision)
    recipe = replace(recipe, precision=accelerator.mixed_precision)
    dense = load_teacher(run, teacher)
    identity = checkpoint.identity(recipe, run.digest, dense.weights_source, images)
    state = checkpoint.load(out, identity) if running.resume else None
    training, held_out = split(images, recipe)
    if not len(held_out):
        raise UserError(f"held_out={recipe.held_out}: leaves no image to search on; use more")
    console = Console(quiet=not accelerator.is_main_process)
    if state is None:
        plan = search(run, recipe, held_out, accelerator, console.print)
    else:
        plan = Schedule(**state.pop("plan"))
    rates = plan.rates
    cost = token_cost(run, list(rates))
    torch.manual_seed(recipe.seed)
    start_at_(attach_(run.student.model, list(rates)), rates)
    goal = Goal(rates, cost, run.report["dense_cycles"])
    parts = Data(training, held_out, running.readers(images))
    trainer = SelectorTrainer(recipe, accelerator, run.student, dense, run.masks, parts, goal)
    before = trainer.measure() if state is None else state.pop("held_out_before")
    if state is not None:
        trainer.load_state(state)
    log: dict[str, Any] = {
        "from": None if run.folder is None else str(run.folder),
        "data": images.source,
        "train_images": len(training),
        "held_out_images": len(held_out),
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "teacher": dense.weights_source,
        "recipe": recipe.to_dict(),
        "schedule": {
            "tolerance": plan.tolerance,
            "layers": named(plan.layers),
            "rates": named(rates),
        },
        "held_out_before": before,
    }
    extra = {"held_out_before": before, "plan": asdict(plan)}
    journal = Journal(out, LOG, identity, log, extra)
    if state is None:
        journal.save(trainer)
    train(trainer, journal, running.save_every, "training selectors")
    if not accelerator.is_main_process:
        return {}
    places = " and ".join(map(str, rates))
    student = trained_weights(run, trainer, f"selectors before {places} trained", images.source)
    run = replace(run, student=student)
    samples = Samples.of(student, training, recipe.threshold_images, recipe.seed).images
    thresholds = rate_thresholds(student.model, samples, rates)
    log["levels"], images_live = settle(run, recipe.cycles, samples, thresholds)
    log["held_out_after"] = trainer.top1(student.model)
    return write_selected(run, recipe.cycles, log, out, images_live)


def _check(run: PruningRun) -> None:
    if hasattr(run.student.model, "selectors"):
        raise UserError(
            f"{run.folder}: has token selectors already; start from the run that they were "
            "trained on"
        )
    run.student.compilable()


def token_cost(run: PruningRun, positions: Sequence[int]) -> TokenCost:
    """The cost of the run's model with selectors at `positions`, or at some of them."""
    model = attach_(deepcopy(run.student.compilable()), positions)
    network = quantize(
        replace(run.student, model=model), run.calibration[:SHAPE_IMAGES], run.settings.block
    )
    return TokenCost(network, run.settings.config)


def _places(model: Any) -> list[int]:
    """Blocks before which a selector may stand: before the first there is no attention to go by."""
    return list(range(1, len(model.blocks)))


def search(
    run: PruningRun,
    recipe: TokenRecipe,
    held_out: LabelledImages,
    accelerator: Accelerator,
    say: Callable[[str], None],
) -> Schedule:
    """The schedule that meets the budget, without any training.

    Raises:
        UserError: selectors alone cannot meet it.
    """
    model: Any = run.student.model
    samples = Samples.of(run.student, held_out, recipe.search_images, recipe.seed)
    samples = samples.to(accelerator.device)
    model.to(accelerator.device)
    patches, prefix = model.patch_embed.num_patches, model.num_prefix_tokens

    def price(cost: TokenCost, rates: Rates) -> float:
        return cost.at({block: prefix + 1 + rate * patches for block, rate in rates.items()})

    target = recipe.cycles * run.report["dense_cycles"]
    places = _places(model)
    anywhere = partial(price, token_cost(run, places))
    with accelerator.autocast():
        probe = Probe(model, samples.images, samples.labels)
        found = find_schedule(probe, anywhere, places, target, recipe.search, say)
    # Those that are not there cost a little less than they seemed to.
    here = partial(price, token_cost(run, list(found.rates)))
    rates = fit(found.rates, here, target, least_share(anywhere, places[0]))
    return replace(found, rates=rates)
