"""The state of a finetuning in OUT: what it is of, and refusals to mix two runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hw.errors import UserError
from prune.finetune.images import LabelledImages
from prune.finetune.recipe import Recipe
from prune.training_state import load_state, save_state

FILE = "state.pt"
_RESUME = "pass --resume to continue it, or delete the file to start anew"


def identity(recipe: Recipe, pruned: str, teacher: str | None, images: LabelledImages) -> Any:
    """What a run is made of, in plain values: two equal ones give the same weights.

    Args:
        recipe: with its precision decided.
        pruned: digest of the pruning run.
        teacher: where the dense weights came from.
        images: to train on.
    """
    paths = images.files if isinstance(images.files, list) else []
    names = [f"{path.parent.name}/{path.name}" for path in paths]
    return {
        **recipe.to_dict(),
        "pruned": pruned,
        "teacher": teacher,
        "images": len(images),
        "data": digest(json.dumps([names, images.labels.tolist()]).encode()),
    }


def digest(content: bytes) -> str:
    """Short name of a content."""
    return hashlib.sha256(content).hexdigest()[:16]


def check_unused(out: Path) -> None:
    """Refuse a folder that holds an interrupted run.

    Raises:
        UserError: it does.
    """
    if (out / FILE).exists():
        raise UserError(f"{out / FILE}: the state of an interrupted run; {_RESUME}")


def save(out: Path, run: Any, trainer: dict[str, Any]) -> None:
    """Write the state, whole or not at all."""
    save_state(out / FILE, {"run": run, "trainer": trainer})


def load(out: Path, run: Any) -> dict[str, Any]:
    """The trainer's state of the interrupted run in `out`.

    Raises:
        UserError: there is none, it is damaged, or it is of a run with other settings.
    """
    path = out / FILE
    state = load_state(path)
    if not isinstance(state.get("run"), dict) or "trainer" not in state:
        raise UserError(f"{path}: not the state of a finetuning; delete it")
    for name, value in run.items():
        if state["run"].get(name) != value:
            raise UserError(
                f"{path}: interrupted with {name}={state['run'].get(name)}, resumed with "
                f"{name}={value}; give the same settings, or delete the file to start anew"
            )
    return dict(state["trainer"])


def discard(out: Path) -> None:
    """A finished run leaves no state behind."""
    (out / FILE).unlink(missing_ok=True)
