"""Progress of a pruning run on the terminal, and the folder that it can go on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from prune.calibration.store import Store


@contextmanager
def finished_layers(folder: Path) -> Iterator[Store]:
    """A store in `folder` that shows on stderr what is finished."""
    console = Console(stderr=True)
    with console.status("loading") as status:
        yield Store(folder, lambda name: status.update(f"finished: {name}"))
