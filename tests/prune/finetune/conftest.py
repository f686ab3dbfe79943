"""A finetuned demo."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from prune.finetune import Recipe, Running, finetune

QUICK = Recipe(
    epochs=2, batch_size=16, held_out=0.25, precision="no", lr=3e-4, warmup=0.0, mixup=0.2
)
"""Two epochs of six steps each on the class folder."""


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """The demo is too small for more, which only wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def finetuned(
    pruned_demo: Path, class_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of an uninterrupted finetuning with `QUICK`."""
    out = tmp_path_factory.mktemp("finetuned")
    finetune(pruned_demo, class_folder, out, QUICK, Running(workers=0))
    return out
