"""How many tokens a model keeps, image by image, over any number of forwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prune.tokens.recording import recording


class Counts:
    """Live tokens behind every selector, by its block."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Tensor]] = {}

    def add(self, block: int, tokens: Tensor) -> None:
        self._parts.setdefault(block, []).append(tokens.detach().float().cpu())

    def images(self) -> dict[int, Tensor]:
        """(N,) each, prefix and package tokens included."""
        return {block: torch.cat(parts) for block, parts in self._parts.items()}

    def means(self) -> dict[int, float]:
        """Over the images."""
        return {block: float(tokens.mean()) for block, tokens in self.images().items()}


@contextmanager
def watching(model: nn.Module) -> Iterator[Counts]:
    """Count the tokens in all forwards of `model`, which has selectors."""
    counts = Counts()
    with recording(model) as record:

        def note(*_: Any) -> None:
            for block, selection in record.items():
                counts.add(block, selection.tokens)

        hook = model.register_forward_hook(note)
        try:
            yield counts
        finally:
            hook.remove()
