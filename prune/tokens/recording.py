"""Noting what is kept, for losses, statistics and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from prune.tokens.attached import attached_to
from prune.tokens.selection import Record


@contextmanager
def recording(model: nn.Module) -> Iterator[Record]:
    """Note the selections of the last forward of `model`, by block.

    Raises:
        UserError: nothing selects tokens in `model`.
    """
    attached = attached_to(model)
    before, attached.record = attached.record, {}
    try:
        yield attached.record
    finally:
        attached.record = before
