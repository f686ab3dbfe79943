"""What was kept in a forward: for losses, statistics and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from hw.errors import UserError


@dataclass(frozen=True)
class Selection:
    """What became of a stage's P patches at one place, in the order of the image."""

    scores: Tensor
    """(N, P): a selector's keep scores, 0 of patches that had been dropped before; EViT: the class
    token's attention; ToMe: the similarity to the most similar candidate."""
    keep: Tensor
    """(N, P): 1 for patches that are still themselves, else 0; straight-through while training."""
    tokens: Tensor
    """(N,) float: live tokens behind, prefix and package included; as differentiable as `keep`."""
    place: Tensor
    """(N, P) int64: number of the token behind that stands for a patch, its own or a shared one."""


Record = dict[int, Selection]
"""Selections by block."""


class Recorder(Protocol):
    """What notes selections in `record` while there is one."""

    record: Record | None


def recorder(model: nn.Module) -> Recorder:
    """What selects tokens in `model`.

    Raises:
        UserError: nothing does.
    """
    found: Recorder | None = getattr(model, "selectors", None)
    if found is None:
        raise UserError(
            f"{type(model).__name__}: no token selectors in it; attach them first "
            "(prune.tokens.attach_)"
        )
    return found


@contextmanager
def recording(model: nn.Module) -> Iterator[Record]:
    """Note the selections of the last forward of `model`, by block.

    Raises:
        UserError: nothing selects tokens in `model`.
    """
    attached = recorder(model)
    before, attached.record = attached.record, {}
    try:
        yield attached.record
    finally:
        attached.record = before
