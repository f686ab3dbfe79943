"""`python -m prune finetune`: train a pruned model with its masks fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune import loop
from prune.cli import options
from prune.cli.tables import print_report
from prune.finetune import Recipe, Running, finetune
from prune.finetune.recipe import DISTILLATIONS, PRECISIONS
from prune.views import write_views

_DEFAULT = Recipe()
_AUGMENTATION = "timm's policy, as rand-m6-n2-mstd0.5."


def finetune_command(
    run_folder: Annotated[Path, typer.Argument(help="OUT of `python -m prune run`.")],
    data: options.TrainingImages,
    out: options.Artifacts,
    recipe: options.RecipeFile = None,
    epochs: Annotated[
        float | None, typer.Option(help=f"May be part of one; default {_DEFAULT.epochs:g}.")
    ] = None,
    steps: options.Steps = None,
    limit_images: Annotated[
        int | None, typer.Option(help="Train on so many images, a seeded choice.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help=f"Images a step, all devices; default {_DEFAULT.batch_size}."),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help=f"Peak learning rate; default {_DEFAULT.lr:g}.")
    ] = None,
    distill: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(DISTILLATIONS)}; default {_DEFAULT.distill}."),
    ] = None,
    distill_weight: Annotated[
        float | None, typer.Option(help=f"Of the loss; default {_DEFAULT.distill_weight:g}.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help=f"Of soft labels; default {_DEFAULT.temperature:g}.")
    ] = None,
    auto_augment: Annotated[str | None, typer.Option(help=_AUGMENTATION)] = None,
    mixup: Annotated[float | None, typer.Option(help="Alpha of timm's mixup.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(PRECISIONS)}; default {_DEFAULT.precision}."),
    ] = None,
    ema: Annotated[
        float | None, typer.Option(help="Decay of a moving average of the weights.")
    ] = None,
    qat: Annotated[
        bool | None, typer.Option("--qat", help="Round as the integer network does.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of images and augmentation.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Dense weights; else those that were pruned.")
    ] = None,
    workers: options.Workers = None,
    save_every: options.SaveEvery = 100,
    resume: options.Resume = False,
) -> None:
    """Finetune the pruned model in RUN_FOLDER, taught by the dense one, and quantize it.

    Takes the GPUs that it finds; several with `accelerate launch -m prune finetune ...`.
    """
    given = {
        "epochs": epochs,
        "steps": steps,
        "limit_images": limit_images,
        "batch_size": batch_size,
        "lr": lr,
        "distill": distill,
        "distill_weight": distill_weight,
        "temperature": temperature,
        "auto_augment": auto_augment,
        "mixup": mixup,
        "precision": precision,
        "ema": ema,
        "qat": qat,
        "seed": seed,
    }
    running = Running(resume, save_every, workers)
    report = finetune(run_folder, data, out, Recipe.of(recipe, given), running, teacher)
    if report:
        write_views(out)
        loop.forget(out)
        print_report(Console(), report)
