"""The selectors of a model that may have some."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, nn

from prune.tokens.attach import Selectors, attach_, masked
from prune.tokens.selector import TokenSelector

PREFIX = "selectors."
"""What the names of selectors' tensors begin with."""


def selectors_of(model: nn.Module) -> dict[int, TokenSelector]:
    """The selectors by the number of the block before which each acts; none in a plain model."""
    attached = getattr(model, "selectors", None)
    if not isinstance(attached, Selectors):
        return {}
    return {int(block): s for block, s in attached.items() if isinstance(s, TokenSelector)}


def same_shapes(model: nn.Module) -> AbstractContextManager[None]:
    """While active, all images have equally many tokens, with selectors or without."""
    return masked(model) if selectors_of(model) else nullcontext()


def attach_saved_(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Attach selectors where `state` has some; their weights and thresholds are still to be loaded.

    Without selectors in `state` the model stays as it is.

    Raises:
        UserError: the model cannot have selectors there.
    """
    blocks = {key.split(".")[1] for key in state if key.startswith(PREFIX)}
    positions = sorted(int(block) for block in blocks if block.isdecimal())
    if positions:
        attach_(model, positions)
