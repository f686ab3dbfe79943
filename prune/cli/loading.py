"""The model that a command line names: by itself, or by the folder of a pruning run."""

from __future__ import annotations

from pathlib import Path

from prune.models import LoadedModel, load_model
from prune.run_folder import read_report


def is_run(model: str) -> bool:
    """Whether `model` is the folder of a pruning run."""
    return (Path(model) / "pruned.json").is_file()


def load_named(model: str, checkpoint: Path | None, seed: int) -> LoadedModel:
    """The model called `model`, or the pruned one in a run's folder of that name.

    Raises:
        UserError: there is no such model, or its weights cannot be used.
    """
    if not is_run(model):
        return load_model(model, checkpoint, seed)
    folder = Path(model)
    report = read_report(folder)
    return load_model(report["model"], checkpoint or folder / "pruned.safetensors", seed)
