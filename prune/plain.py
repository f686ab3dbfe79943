"""Pruned weights in a model of timm: `apply` into one at hand, `load_pruned` a new one.

A run with token selectors gives them to the model, see `prune.tokens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from hw.artifacts import read_tensors
from hw.errors import UserError
from prune.blocks import BlockGrid, BlockMask
from prune.models import load_model
from prune.models.checkpoint import State, load_state, read_checkpoint
from prune.models.names import DEMO, parse_name
from prune.run_folder import read_report
from prune.tokens.access import attach_saved_

WEIGHTS, MASKS, REPORT = "pruned.safetensors", "masks.safetensors", "pruned.json"


@dataclass(frozen=True)
class Zeros:
    """How many weights of the masked layers are exactly 0."""

    zero: int
    total: int


def apply(model: nn.Module, source: str | Path) -> nn.Module:
    """Load pruned weights into `model` in place, all of them, and check the masks.

    Args:
        model: as `timm.create_model` builds it; gets the run's token selectors.
        source: OUT folder of a pruning run, or a checkpoint with `masks.safetensors` and
            `pruned.json` beside it.

    Returns:
        `model`.

    Raises:
        UserError: when the weights do not fit `model`, or a removed block is not exactly 0.
    """
    weights = weights_path(Path(source))
    state = read_checkpoint(weights)
    check_masks(state, weights)
    attach_saved_(model, state)
    load_state(model, state, weights, type(model).__name__)
    return model


def load_pruned(source: str | Path, name: str | None = None) -> nn.Module:
    """A new model with pruned weights and the run's token selectors, in evaluation mode.

    Args:
        source: as for `apply`.
        name: of the model, as on the command line; None: the one that the run's report names.

    Raises:
        UserError: as `apply`, and when the model's name is not known.
    """
    weights = weights_path(Path(source))
    check_masks(read_checkpoint(weights), weights)
    loaded = load_model(name or model_name(weights), weights)
    return loaded.model.requires_grad_(True)


def weights_path(source: Path) -> Path:
    """The checkpoint that `source`, a folder or a file, stands for."""
    return source / WEIGHTS if source.is_dir() else source


def model_name(weights: Path) -> str:
    """What the report beside a checkpoint calls its model.

    Raises:
        UserError: there is no report.
    """
    if not (weights.parent / REPORT).is_file():
        raise UserError(
            f"{weights}: has no {REPORT} beside it to name its model; pass --model NAME"
        )
    return str(read_report(weights.parent)["model"])


def check_masks(state: State, weights: Path) -> Zeros:
    """Check that every removed block is exactly 0; by `masks.safetensors` beside `weights`.

    Raises:
        UserError: naming the layer where it is not, or that the masks do not belong to.
    """
    path, beside = weights.parent / MASKS, weights.parent
    if not (beside / REPORT).is_file() or not path.is_file():
        raise UserError(f"{weights}: expected {MASKS} and {REPORT} beside it; copy them, too")
    masks = read_tensors(path, "the masks of a pruning run", "prune again")
    rows, cols = read_report(beside)["block"]
    zero = total = 0
    for name, keep in masks.items():
        weight = state.get(f"{name}.weight")
        if weight is None or weight.ndim < 2:
            raise UserError(f"{path}: masks {name}, which {weights} has no weights of")
        matrix = weight.flatten(1)
        grid = BlockGrid((matrix.shape[0], matrix.shape[1]), (rows, cols))
        if keep.shape != grid.size:
            raise UserError(
                f"{path}: {name} has {keep.shape} blocks, its weights in {weights} have {grid.size}"
            )
        dead = torch.from_numpy(~BlockMask(grid, keep).weights())
        alive = int(torch.count_nonzero(matrix[dead]))
        if alive:
            raise UserError(
                f"{weights}: {alive} weights of {name} lie in removed blocks and are not 0, so "
                f"these are not the weights that {path} belongs to"
            )
        zero += matrix.numel() - int(torch.count_nonzero(matrix))
        total += matrix.numel()
    return Zeros(zero, total)


def timm_call(name: str, model: nn.Module) -> tuple[str, dict[str, Any]] | None:
    """What to give to `timm.create_model` for a model of the same tensors; None for the demo.

    Checkpoints may have other classes than the model's default, and layer scales folded away.
    """
    parsed = parse_name(name)
    if parsed.timm_name == DEMO:
        return None
    wanted = _shapes(model.state_dict())
    classes: dict[str, Any] = {"num_classes": getattr(model, "num_classes", None)}
    unscaled: dict[str, Any] = {"init_values": 0.0}
    for more in ({}, classes, unscaled, {**classes, **unscaled}):
        arguments: dict[str, Any] = {**more, **parsed.overrides}
        try:
            with torch.device("meta"):
                found = timm.create_model(parsed.timm_name, **arguments)
        except TypeError:  # no such argument
            continue
        if _shapes(found.state_dict()) == wanted:
            return parsed.timm_name, arguments
    raise UserError(f"model {name!r}: timm builds it with other tensors than these weights have")


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}
