"""Selectors in files: a checkpoint of theirs alone, of a whole model, or the folder of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hw.errors import UserError
from prune.models import LoadedModel, load_model
from prune.models.checkpoint import load_state, read_checkpoint
from prune.tokens.access import PREFIX, attach_saved_, selectors_of
from prune.tokens.live import live_tokens

_RUN_WEIGHTS = "pruned.safetensors"


def load_selected(
    name: str,
    checkpoint: Path | None,
    selectors: Path,
    seed: int = 0,
    to_compile: bool = False,
) -> LoadedModel:
    """The model called `name` with selectors.

    Args:
        name, checkpoint, seed, to_compile: as for `prune.models.load_model`.
        selectors: a checkpoint with the selectors' tensors alone, or with all of the model's, which
            then need no other checkpoint; or a run's folder that has one.

    Raises:
        UserError: there are no selectors in it, or they do not fit the model.
    """
    path = selectors / _RUN_WEIGHTS if selectors.is_dir() else selectors
    state = read_checkpoint(path)
    own = {key: tensor for key, tensor in state.items() if key.startswith(PREFIX)}
    if not own:
        raise UserError(
            f"{path}: holds no token selectors, expected tensors called {PREFIX}<block>.<...>; "
            "train some with `python -m prune tokens`"
        )
    if len(own) < len(state):
        if checkpoint is not None:
            raise UserError(
                f"{path}: holds a whole model, so that {checkpoint} has no use; leave out one of "
                "the two"
            )
        return load_model(name, path, seed, to_compile=to_compile)
    loaded = load_model(name, checkpoint, seed, to_compile=to_compile)
    if selectors_of(loaded.model):
        raise UserError(f"{name}: its weights have token selectors already; leave out {path}")
    plain = loaded.model.state_dict()
    attach_saved_(loaded.model, own)
    load_state(loaded.model, {**plain, **own}, path, name)
    loaded.model.requires_grad_(False)
    return replace(loaded, weights_source=f"{loaded.weights_source}, selectors of {path.name}")


def describe_selectors(model: nn.Module, images: Tensor) -> list[dict[str, Any]]:
    """An entry a selector: block, threshold, and the mean share of patches that stay, its rate.

    Args:
        images: normalized (N, channels, height, width), to count on.
    """
    live = live_tokens(model, images)
    return [
        {
            "block": block,
            "threshold": round(float(selector.threshold), 6),
            "rate": float(live[block].patches.mean()),
            "tokens": float(live[block].tokens.mean()),
        }
        for block, selector in selectors_of(model).items()
    ]
