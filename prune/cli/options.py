"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hw.cli import array_config
from hw.config import ArrayConfig
from prune.allocation.budget import Unit
from prune.blocks import BlockShape, parse_block
from prune.methods import METHODS
from prune.methods.power import OBJECTIVES

Model = Annotated[
    str, typer.Argument(help="demo, deit_t, deit_s, deit_b or the name of a transformer of timm.")
]
BudgetShare = Annotated[
    float, typer.Option("--budget", help="Share of the dense total that may stay, in (0, 1].")
]
Cycles = Annotated[
    float | None, typer.Option("--cycles", help="Share of the dense cycles that may stay.")
]
Energy = Annotated[
    float | None, typer.Option("--energy", help="Share of the dense energy that may stay.")
]
Flops = Annotated[
    float | None,
    typer.Option("--flops", help="Share of the dense multiply-accumulates that may stay."),
]
Objective = Annotated[
    str,
    typer.Option(
        "--objective", help=f"What is minimised within the budgets: {', '.join(OBJECTIVES)}."
    ),
]
Method = Annotated[str, typer.Option("--method", help=f"One of {', '.join(METHODS)}.")]
Block = Annotated[
    str | None,
    typer.Option("--block", help="Prunable block, OUTxIN; default one tile, COLSxROWS."),
]
Rows = Annotated[int | None, typer.Option("--rows", help="Array rows (input features).")]
Cols = Annotated[int | None, typer.Option("--cols", help="Array columns (output features).")]
Config = Annotated[
    Path | None, typer.Option("--config", help="JSON file of other ArrayConfig fields.")
]
Checkpoint = Annotated[
    Path | None, typer.Option("--ckpt", help="Weights, .safetensors or .pth; else timm's.")
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of calibration images; else the bundled.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of random weights and of the images' choice.")]
Images = Annotated[
    int | None, typer.Option("--images", help="Calibration images; default 256 (demo) or 64.")
]
TrainingImages = Annotated[
    Path, typer.Option(help="Training images, a folder a class, or Fashion-MNIST's IDX files.")
]
Artifacts = Annotated[Path, typer.Option(help="Folder of the artifacts, as of a pruning run.")]
RecipeFile = Annotated[Path | None, typer.Option(help="JSON file of any other setting.")]
Steps = Annotated[int | None, typer.Option(help="Optimizer steps, instead.")]
Workers = Annotated[int | None, typer.Option(help="Processes that read images.")]
SaveEvery = Annotated[int, typer.Option(help="Steps between states to resume from.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")]


def budgets(cycles: float | None, energy: float | None, flops: float | None) -> dict[Unit, float]:
    """The budgets that were given, by unit."""
    given: dict[Unit, float | None] = {"cycles": cycles, "energy": energy, "flops": flops}
    return {unit: share for unit, share in given.items() if share is not None}


def geometry(
    block: str | None, rows: int | None, cols: int | None, config: Path | None
) -> tuple[ArrayConfig, BlockShape]:
    """The array that the options describe, and the block shape, one tile by default."""
    array = array_config(config, rows=rows, cols=cols)
    return array, parse_block(block) if block else (array.cols, array.rows)
