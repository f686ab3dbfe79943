"""One finetuning: a pruning run and training images in, a folder like the pruning run's out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from hw.artifacts import read_tensors, replacing, write_json
from hw.errors import UserError
from prune.blocks import BlockMask
from prune.data import calibration_images, calibration_source
from prune.finetune import checkpoint
from prune.finetune.devices import make_accelerator
from prune.finetune.images import labelled_images, split
from prune.finetune.loop import Data, Trainer
from prune.finetune.masks import read_masks
from prune.finetune.recipe import Recipe
from prune.models import LoadedModel, load_model
from prune.models.support import why_not_compilable
from prune.quantize import quantize
from prune.report import figures, layer_costs
from prune.run_folder import Pruned, describe, read_report, write
from prune.settings import Settings

LOG = "finetune.json"


@dataclass(frozen=True)
class PruningRun:
    """What a finetuning starts from."""

    folder: Path
    report: dict[str, Any]
    settings: Settings
    student: LoadedModel
    masks: dict[str, BlockMask]
    curves: dict[str, NDArray[Any]]
    calibration: Tensor
    """(N, channels, height, width), pixels in [0, 1]."""


@dataclass(frozen=True)
class Running:
    """How to run, which leaves the result as it is."""

    resume: bool = False
    save_every: int = 100
    """Steps between two states."""
    workers: int | None = None
    """Processes that read images; None: half of the cores, at most 8."""


def read_run(folder: Path) -> PruningRun:
    """Load what `python -m prune run` wrote.

    Raises:
        UserError: a file is missing, damaged, or of another run.
    """
    report = read_report(folder)
    try:
        settings = Settings.from_dict(report)
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f"{folder}/pruned.json: damaged ({error}); prune again") from error
    source = settings.source
    student = load_model(source.model, folder / "pruned.safetensors", source.seed)
    masks = read_masks(folder, student.model, settings.block)
    remedy = "run `python -m prune run` again"
    curves = read_tensors(folder / "curves.safetensors", "the curves of a pruning run", remedy)
    calibration = calibration_images(student, source.data, source.images, source.seed)
    return PruningRun(folder, report, settings, student, masks, curves, calibration)


def load_teacher(run: PruningRun, checkpoint: Path | None = None) -> LoadedModel:
    """The dense model that the run pruned.

    Args:
        run: the pruning run.
        checkpoint: its weights; None: those that the run was given.

    Raises:
        UserError: they are missing, or other weights than those that were pruned.
    """
    source = run.settings.source
    teacher = load_model(source.model, checkpoint or source.checkpoint, source.seed)
    if checkpoint is None and not run.report["weights_source"].startswith(teacher.weights_source):
        raise UserError(
            f"{run.folder}: pruned from the weights {run.report['weights_source']!r}, found "
            f"{teacher.weights_source!r}; pass --teacher with a checkpoint, or --distill none"
        )
    return teacher


def finetune(
    folder: Path,
    data: Path,
    out: Path,
    recipe: Recipe,
    running: Running | None = None,
    teacher: Path | None = None,
) -> dict[str, Any]:
    """Train the pruned model in `folder` with its masks fixed, and write it like a pruning run.

    Args:
        folder: of the pruning run.
        data: training images.
        out: another folder; besides the artifacts it gets `finetune.json`, the log.
        recipe: of the training.
        running: how to run it.
        teacher: checkpoint of the dense model; None: the one that was pruned.

    Returns:
        The report, as in `pruned.json`.

    Raises:
        UserError: on any input that cannot be used.
    """
    running = running or Running()
    if running.save_every < 1:
        raise UserError(f"save_every={running.save_every}: expected at least one step")
    if out.resolve() == folder.resolve():
        raise UserError(f"{out}: is the pruning run itself; choose another --out")
    if not running.resume:
        checkpoint.check_unused(out)
    run = read_run(folder)
    images = labelled_images(run.student, data)
    accelerator = make_accelerator(recipe.precision)
    recipe = replace(recipe, precision=accelerator.mixed_precision)
    dense = load_teacher(run, teacher) if recipe.distill != "none" else None
    identity = checkpoint.identity(
        recipe, folder, None if dense is None else dense.weights_source, images
    )
    state = checkpoint.load(out, identity) if running.resume else None
    workers = _workers(images.files) if running.workers is None else running.workers
    train, held_out = split(images, recipe)
    parts = Data(train, held_out, workers)
    trainer = Trainer(recipe, accelerator, run.student, dense, run.masks, parts, run.calibration)
    log: dict[str, Any] = {
        "from": str(folder),
        "data": images.source,
        "train_images": len(train),
        "held_out_images": len(held_out),
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "teacher": None if dense is None else dense.weights_source,
        "recipe": recipe.to_dict(),
    }
    if state is None:
        log["held_out_before"] = trainer.measure()
    else:
        log["held_out_before"] = state.pop("held_out_before")
        trainer.load_state(state)

    def save() -> None:
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            trained = {**trainer.state(), "held_out_before": log["held_out_before"]}
            checkpoint.save(out, identity, trained)
            write_json(out / LOG, log | {"epochs": trainer.log})

    _train(trainer, save, running.save_every, accelerator.is_main_process)
    accelerator.wait_for_everyone()
    trainer.finish()
    log["epochs"] = trainer.log
    if not accelerator.is_main_process:
        return {}
    return _write(run, images.source, log, trainer.epoch, out)


def _train(trainer: Trainer, save: Callable[[], None], save_every: int, shown: bool) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    speed = TextColumn("{task.fields[speed]}")
    console = Console(quiet=not shown)
    with Progress(*columns, TimeRemainingColumn(), speed, console=console) as progress:
        task = progress.add_task(
            "finetuning", total=trainer.steps, completed=trainer.step, speed=""
        )
        trainer.train(save, save_every, progress, task)


def _workers(files: Any) -> int:
    return min((os.cpu_count() or 1) // 2, 8) if isinstance(files, list) else 0


def _write(
    run: PruningRun, source: str, log: dict[str, Any], epochs: float, out: Path
) -> dict[str, Any]:
    """Quantize, and write the artifacts of a pruning run, with its log."""
    count = f"{epochs:.3g} epoch{'' if epochs == 1 else 's'}"
    weights = f"{run.report['weights_source']}, finetuned {count} on {source}"
    student, settings = replace(run.student, weights_source=weights), run.settings
    report = run.report | {"weights_source": weights, "finetune": log}
    network = None
    if why_not_compilable(student.model) is None:
        images_from = calibration_source(student, settings.source.data)
        network = quantize(student, run.calibration, settings.block, images_from)
        predicted = figures(network, settings.config)
        report |= {
            "predicted_cycles": predicted.total["cycles"],
            "predicted_energy_uj": predicted.total["energy"],
            "layers": [
                row | layer_costs("predicted", predicted, row["name"])
                for row in run.report["layers"]
            ],
        }
        describe(network, report)
    write(Pruned(network, student, run.masks, report, run.curves), out)
    write_json(out / LOG, log)
    config = run.folder / "config.json"
    if config.is_file():
        with replacing(out / config.name) as temporary:
            shutil.copyfile(config, temporary)
    checkpoint.discard(out)
    return report
