"""Where the heavy work runs: a GPU when there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def best_device() -> torch.device:
    """A GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def accelerated(model: nn.Module) -> Iterator[torch.device]:
    """The model on the best device, and back where it was afterwards."""
    before, best = next(model.parameters()).device, best_device()
    model.to(best)
    try:
        yield best
    finally:
        model.to(before)
