"""A pruned demo and a small class folder to finetune it on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from hw.config import ArrayConfig
from prune.demo import CLASSES, load_bundled
from prune.finetune import Recipe, Running, finetune
from prune.pipeline import run
from prune.run_folder import write
from prune.settings import Settings, Source

IMAGES = 128
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
def pruned_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pruning run: the demo at half of its cycles, calibrated on few images."""
    folder = tmp_path_factory.mktemp("pruned")
    settings = Settings(
        Source("demo", images=16), {"cycles": 0.5}, "magnitude", (16, 16), ArrayConfig()
    )
    write(run(settings), folder)
    return folder


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundled training images, a folder a class."""
    folder = tmp_path_factory.mktemp("data") / "fashion"
    images, labels = load_bundled("calibration")
    for index in range(IMAGES):
        path = folder / f"{labels[index]}" / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(path)
    assert len(list(folder.iterdir())) == len(CLASSES)
    return folder


@pytest.fixture(scope="session")
def finetuned(
    pruned_demo: Path, class_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of an uninterrupted finetuning with `QUICK`."""
    out = tmp_path_factory.mktemp("finetuned")
    finetune(pruned_demo, class_folder, out, QUICK, Running(workers=0))
    return out
