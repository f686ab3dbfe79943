"""A training of selectors that takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prune.finetune import Running
from prune.finetune.pruning_run import read_run
from prune.tokens.recipe import TokenRecipe
from prune.tokens.run import train_selectors

QUICK = TokenRecipe(
    cycles=0.42,
    epochs=1,
    batch_size=16,
    held_out=0.25,
    precision="no",
    lr=3e-4,
    selector_lr=1e-2,
    warm=1 / 3,
    freeze=2 / 3,
    phases=2,
    search_images=16,
    threshold_images=32,
)
"""Six steps on the class folder: two of ranking, two with the backbone frozen, two with all."""


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """The demo is too small for more, which only wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def train(folder: Path, data: Path, out: Path, running: Running | None = None, **changes) -> None:
    """Selectors for the pruning run in `folder`, by `QUICK` with `changes`."""
    running = running or Running(workers=0)
    train_selectors(read_run(folder), data, out, replace(QUICK, **changes), running)


@pytest.fixture(scope="session")
def selected(
    pruned_demo: Path, class_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of an uninterrupted training by `QUICK`."""
    out = tmp_path_factory.mktemp("selected")
    train(pruned_demo, class_folder, out)
    return out
