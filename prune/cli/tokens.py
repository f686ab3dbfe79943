"""`python -m prune tokens`: train token selectors within a budget of cycles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune import loop
from prune.cli import options
from prune.cli.loading import is_run
from prune.cli.tables import print_report
from prune.finetune.pruning_run import PruningRun, read_run, unpruned
from prune.finetune.running import Running
from prune.settings import Source
from prune.tokens.recipe import TokenRecipe
from prune.tokens.run import train_selectors
from prune.tokens.settle import retarget
from prune.views import write_views

_DEFAULT = TokenRecipe()


def tokens_command(
    model: Annotated[
        str,
        typer.Argument(help="A model's name, or the folder of a pruning run, whose masks stay."),
    ],
    data: options.TrainingImages,
    out: options.Artifacts,
    cycles: Annotated[
        float, typer.Option(help="Share of the dense model's cycles that the mean image may take.")
    ],
    recipe: options.RecipeFile = None,
    epochs: Annotated[
        float | None, typer.Option(help=f"May be part of one; default {_DEFAULT.epochs:g}.")
    ] = None,
    steps: options.Steps = None,
    images: Annotated[
        int | None, typer.Option(help="Train on so many images, a seeded choice; else on all.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help=f"Images a step, all devices; default {_DEFAULT.batch_size}."),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help=f"Of the backbone, at its peak; default {_DEFAULT.lr:g}.")
    ] = None,
    selector_lr: Annotated[
        float | None,
        typer.Option(help=f"Of the selectors, at its peak; default {_DEFAULT.selector_lr:g}."),
    ] = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Train the selectors alone, not the backbone.")
    ] = False,
    phases: Annotated[
        int | None, typer.Option(help=f"Most selectors; default {_DEFAULT.phases}.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="One of auto, bf16, fp16, no; default auto.")
    ] = None,
    ckpt: options.Checkpoint = None,
    block: options.Block = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    config: options.Config = None,
    seed: Annotated[int, typer.Option(help="Of images, augmentation and decisions.")] = 0,
    workers: options.Workers = None,
    save_every: options.SaveEvery = 100,
    resume: options.Resume = False,
) -> None:
    """Place and train token selectors in MODEL so that the mean image meets a budget of cycles.

    --ckpt, --block, --rows, --cols and --config describe a model; the folder of a run says them
    itself, but for --ckpt, the dense weights that teach. Takes the GPUs that it finds; several with
    `accelerate launch -m prune tokens ...`.
    """
    given = {
        "cycles": cycles,
        "epochs": epochs,
        "steps": steps,
        "limit_images": images,
        "batch_size": batch_size,
        "lr": lr,
        "selector_lr": selector_lr,
        "freeze": 1.0 if freeze else None,
        "phases": phases,
        "precision": precision,
        "seed": seed,
    }
    settings = TokenRecipe.of(recipe, given)
    running = Running(resume, save_every, workers)
    run: PruningRun
    if is_run(model):
        run, teacher = read_run(Path(model)), ckpt
    else:
        array, shape = options.geometry(block, rows, cols, config)
        calibration = None if any(data.glob("*-idx?-ubyte*")) else data
        run, teacher = unpruned(Source(model, ckpt, calibration, seed), shape, array), None
    report = train_selectors(run, data, out, settings, running, teacher)
    if report:
        write_views(out)
        loop.forget(out)
        print_report(Console(), report)


def retarget_command(
    run_folder: Annotated[Path, typer.Argument(help="OUT of `python -m prune tokens`.")],
    data: options.TrainingImages,
    out: options.Artifacts,
    cycles: Annotated[
        float, typer.Option(help="Share of the dense model's cycles that the mean image may take.")
    ],
    images: Annotated[int, typer.Option(help="Images that the budget is met on.")] = 256,
) -> None:
    """Give the selectors in RUN_FOLDER thresholds for another budget, without training them."""
    report = retarget(run_folder, data, out, cycles, images)
    write_views(out)
    loop.forget(out)
    print_report(Console(), report)
