"""What a training starts from: a pruning run, and the dense model that it pruned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from hw.artifacts import read_tensors
from hw.config import ArrayConfig
from hw.errors import UserError
from prune.blocks import BlockMask, BlockShape
from prune.data import calibration_images
from prune.finetune.checkpoint import digest
from prune.finetune.masks import read_masks
from prune.models import LoadedModel, load_model
from prune.pipeline import run as prune
from prune.plain import MASKS, WEIGHTS
from prune.run_folder import read_report
from prune.settings import Settings, Source


@dataclass(frozen=True)
class PruningRun:
    """What a finetuning starts from."""

    folder: Path | None
    """Where it is; None: nowhere, see `unpruned`."""
    report: dict[str, Any]
    settings: Settings
    student: LoadedModel
    masks: dict[str, BlockMask]
    curves: dict[str, NDArray[Any]]
    calibration: Tensor
    """(N, channels, height, width), pixels in [0, 1]."""
    digest: str
    """Of its weights and masks."""


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
    student = load_model(source.model, folder / WEIGHTS, source.seed)
    masks = read_masks(folder, student.model, settings.block)
    remedy = "run `python -m prune run` again"
    curves = read_tensors(folder / "curves.safetensors", "the curves of a pruning run", remedy)
    calibration = calibration_images(student, source.data, source.images, source.seed)
    content = b"".join((folder / file).read_bytes() for file in (WEIGHTS, MASKS))
    name = digest(content)
    return PruningRun(folder, report, settings, student, masks, curves, calibration, name)


def unpruned(source: Source, block: BlockShape, config: ArrayConfig) -> PruningRun:
    """The same of a model that nothing was pruned of.

    Raises:
        UserError: on any input that cannot be used.
    """
    settings = Settings(source, {"cycles": 1.0}, "magnitude", block, config)
    whole = prune(settings)
    calibration = calibration_images(whole.loaded, source.data, source.images, source.seed)
    state = whole.loaded.model.state_dict()
    name = digest(b"".join(tensor.numpy().tobytes() for tensor in state.values()))
    report, masks, curves = whole.report, whole.masks, whole.curves
    return PruningRun(None, report, settings, whole.loaded, masks, curves, calibration, name)


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
            f"{run.folder or source.model}: pruned from the weights "
            f"{run.report['weights_source']!r}, found {teacher.weights_source!r}; "
            "pass --teacher with a checkpoint, or --distill none"
        )
    return teacher
