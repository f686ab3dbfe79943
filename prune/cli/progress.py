"""Progress of a pruning run on the terminal, and the folder that it can go on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from hw.errors import UserError
from prune.calibration.store import Store


@contextmanager
def finished_layers(folder: Path) -> Iterator[Store]:
    """A store in `folder` that shows on stderr what is finished; gone when its work is done.

    It stays when the run is interrupted, but not when the run is refused.
    """
    console = Console(stderr=True)
    with console.status("loading") as status:
        store = Store(folder, lambda name: status.update(f"finished: {name}"))
        try:
            yield store
        except UserError:
            store.clear()
            with suppress(OSError):
                folder.parent.rmdir()  # an empty one was made for the store
            raise
        store.clear()
