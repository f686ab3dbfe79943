"""A training run's state in one file, so that its parts cannot disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch

from hw.artifacts import replacing
from hw.errors import UserError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write `state`: tensors and plain values in dictionaries and lists.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path) -> dict[str, Any]:
    """The state that `save_state` wrote, on the CPU; nothing of it is executed.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise UserError(f"{path}: no state to resume; run without --resume")
    try:
        # Anything else is taken for a pickle of old, whose errors say little.
        state = torch.load(path, "cpu", weights_only=True) if is_zipfile(path) else None
    except (RuntimeError, ValueError, EOFError, OSError) as error:
        raise UserError(
            f"{path}: cut short or damaged, expected the state of an interrupted run; "
            "delete it and run without --resume"
        ) from error
    if not isinstance(state, dict):
        raise UserError(
            f"{path}: expected the state of an interrupted run, found a damaged one; "
            "delete it and run without --resume"
        )
    return state
