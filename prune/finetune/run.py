"""One finetuning: a pruning run and training images in, a folder like the pruning run's out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hw.artifacts import replacing, write_json
from hw.errors import UserError
from prune.data import calibration_source
from prune.finetune import checkpoint
from prune.finetune.devices import make_accelerator
from prune.finetune.images import labelled_images, split
from prune.finetune.loop import Data, Trainer
from prune.finetune.pruning_run import PruningRun, load_teacher, read_run
from prune.finetune.recipe import Recipe
from prune.finetune.running import Journal, Running, train
from prune.models import LoadedModel
from prune.models.support import why_not_compilable
from prune.quantize import quantize
from prune.report import figures, layer_costs
from prune.run_folder import Pruned, describe, write
from prune.tokens.access import selectors_of
from sim.live import LiveCounts

LOG = "finetune.json"


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
    running.check(out, folder)
    run = read_run(folder)
    if selectors_of(run.student.model):
        raise UserError(
            f"{folder}: has token selectors, which finetuning would train without a budget; "
            "finetune the run before, then train selectors with `python -m prune tokens`"
        )
    images = labelled_images(run.student, data)
    accelerator = make_accelerator(recipe.precision)
    recipe = replace(recipe, precision=accelerator.mixed_precision)
    dense = load_teacher(run, teacher) if recipe.distill != "none" else None
    taught_by = None if dense is None else dense.weights_source
    identity = checkpoint.identity(recipe, run.digest, taught_by, images)
    state = checkpoint.load(out, identity) if running.resume else None
    training, held_out = split(images, recipe)
    parts = Data(training, held_out, running.readers(images))
    trainer = Trainer(recipe, accelerator, run.student, dense, run.masks, parts, run.calibration)
    before = trainer.measure() if state is None else state.pop("held_out_before")
    if state is not None:
        trainer.load_state(state)
    log: dict[str, Any] = {
        "from": str(folder),
        "data": images.source,
        "train_images": len(training),
        "held_out_images": len(held_out),
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "teacher": taught_by,
        "recipe": recipe.to_dict(),
        "held_out_before": before,
    }
    journal = Journal(out, LOG, identity, log, {"held_out_before": before})
    train(trainer, journal, running.save_every, "finetuning")
    if not accelerator.is_main_process:
        return {}
    weights = trained_weights(run, trainer, "finetuned", images.source)
    return write_trained(replace(run, student=weights), {"finetune": log}, out, LOG)


def trained_weights(run: PruningRun, trainer: Trainer, how: str, images: str) -> LoadedModel:
    """The student, with what became of its weights in words."""
    count = f"{trainer.epoch:.3g} epoch{'' if trainer.epoch == 1 else 's'}"
    source = f"{run.report['weights_source']}, {how} {count} on {images}"
    return replace(run.student, weights_source=source)


def write_trained(
    run: PruningRun,
    entries: dict[str, Any],
    out: Path,
    log_file: str,
    images: Sequence[LiveCounts] | None = None,
) -> dict[str, Any]:
    """Quantize the trained student, and write the artifacts of a pruning run.

    Args:
        run: with the trained student.
        entries: of the report, beside the run's own; one of them is the log.
        out: folder.
        log_file: name of the log in it, and of its entry in the report, as in `finetune.json`.
        images: live tokens of images, whose mean costs are predicted; None: all stay.

    Returns:
        The report.
    """
    student, settings = run.student, run.settings
    report = run.report | {"weights_source": student.weights_source} | entries
    network = None
    if why_not_compilable(student.model) is None:
        images_from = calibration_source(student, settings.source.data)
        network = quantize(student, run.calibration, settings.block, images_from)
        predicted = figures(network, settings.config, images)
        report |= {
            "predicted_cycles": round(predicted.total["cycles"]),
            "predicted_energy_uj": predicted.total["energy"],
            "layers": [
                row | layer_costs("predicted", predicted, row["name"])
                for row in run.report["layers"]
            ],
        }
        describe(network, report)
    write(Pruned(network, student, run.masks, report, run.curves), out)
    write_json(out / log_file, entries[log_file.removesuffix(".json")])
    if run.folder is not None and (run.folder / "config.json").is_file():
        with replacing(out / "config.json") as temporary:
            shutil.copyfile(run.folder / "config.json", temporary)
    checkpoint.discard(out)
    return report
