"""Fixed masks: what was removed stays exactly zero while the rest is trained."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hw.artifacts import read_tensors
from hw.errors import UserError
from prune.blocks import BlockMask, BlockShape, prunable_layers
from prune.plain import MASKS, WEIGHTS, check_masks

_REMEDY = "run `python -m prune run` again"


def read_masks(folder: Path, model: nn.Module, block: BlockShape) -> dict[str, BlockMask]:
    """The masks of a pruning run, checked against its model.

    Raises:
        UserError: the file is missing or damaged, or the masks are another model's: other layers,
            other shapes, or weights where they removed blocks.
    """
    path = folder / MASKS
    arrays = read_tensors(path, "the masks of a pruning run", _REMEDY)
    check_masks(model.state_dict(), folder / WEIGHTS)
    layers = {layer.name: layer.grid for layer in prunable_layers(model, block)}
    strange = sorted(arrays.keys() ^ layers.keys())
    if strange:
        holder = "the masks have" if strange[0] in arrays else "the model has"
        raise UserError(f"{path}: masks of another model, only {holder} {strange[0]}; {_REMEDY}")
    return {name: BlockMask(grid, arrays[name]) for name, grid in layers.items()}


class FixedMasks:
    """Holds the removed weights of a model at zero, whatever its optimizer does."""

    def __init__(self, model: nn.Module, masks: dict[str, BlockMask]) -> None:
        self._removed: list[tuple[nn.Parameter, Tensor]] = []
        for name, mask in masks.items():
            weight = model.get_submodule(name).weight
            assert isinstance(weight, nn.Parameter)
            if mask.kept < mask.grid.total:
                dead = torch.from_numpy(~mask.weights()).view(weight.shape).to(weight.device)
                self._removed.append((weight, dead))

    def clear_gradients_(self) -> None:
        """Removed weights get no gradient, so that it counts in no norm and in no momentum."""
        for weight, dead in self._removed:
            if weight.grad is not None:
                weight.grad.masked_fill_(dead, 0.0)

    @torch.no_grad()
    def apply_(self) -> None:
        """Set the removed weights to exactly 0."""
        for weight, dead in self._removed:
            weight.masked_fill_(dead, 0.0)
