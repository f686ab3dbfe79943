"""Top-1 accuracy of a float model and of its integer network on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hw.errors import UserError
from hw.ir import Network
from prune.data import bundled_images, fit_bundled, labelled_paths, read_images
from prune.models import LoadedModel
from prune.quantize import normalize
from sim import reference

_BATCH = 16


@dataclass(frozen=True)
class TestSet:
    """Labelled images, read a batch at a time."""

    source: str
    labels: NDArray[np.int64]
    read: Callable[[NDArray[np.int64]], Tensor]
    """Pixels in [0, 1] (N, C, H, W) of the images at given indices."""


@dataclass(frozen=True)
class Accuracy:
    """Fractions of correctly labelled images; None where a model was not run."""

    source: str
    images: int
    float_top1: float | None
    int8_top1: float | None


def load_test_set(loaded: LoadedModel, data: Path | None = None) -> TestSet:
    """The test images that `data` stands for.

    Args:
        loaded: the model, whose input size and channels the images get.
        data: folder of the Fashion-MNIST IDX files, or an image folder with a subfolder a class
            in the order of the model's classes; None: the 1000 bundled Fashion-MNIST images.

    Raises:
        UserError: the folder is missing, empty or damaged.
    """
    if data is None or _holds_idx(data):
        images, labels = bundled_images("test") if data is None else _read_idx(data)
        source = "bundled Fashion-MNIST" if data is None else "Fashion-MNIST"
        return TestSet(source, labels, lambda chosen: fit_bundled(loaded, images[chosen]))
    paths, labels = labelled_paths(data)
    return TestSet(
        f"image folder {data.name}",
        labels,
        lambda chosen: read_images(loaded, [paths[i] for i in chosen]),
    )


def _holds_idx(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*-idx?-ubyte*"))


def _read_idx(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from prune.demo.fashion import load_split

    try:
        return load_split(folder, "test")
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def measure(
    loaded: LoadedModel | None,
    network: Network | None,
    test_set: TestSet,
    limit: int | None = None,
    seed: int = 0,
) -> Accuracy:
    """Run the float model, the integer network or both over a test set.

    Args:
        loaded: the float model; None leaves it out.
        network: the integer network; None leaves it out.
        test_set: the images.
        limit: use only so many images, a seeded choice.
        seed: of the choice.
    """
    order = np.arange(len(test_set.labels))
    if limit is not None and limit < len(order):
        order = np.sort(np.random.default_rng(seed).permutation(order)[:limit])
    float_hits = integer_hits = 0
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        pixels, labels = test_set.read(chosen), test_set.labels[chosen]
        if loaded is not None:
            float_hits += int((_float_top1(loaded, pixels) == labels).sum())
        if network is not None:
            patches = reference.quantize_image(network.image, pixels.numpy())
            integer_hits += int((reference.top1(network, patches) == labels).sum())
    return Accuracy(
        source=test_set.source,
        images=len(order),
        float_top1=None if loaded is None else float_hits / len(order),
        int8_top1=None if network is None else integer_hits / len(order),
    )


@torch.no_grad()
def _float_top1(loaded: LoadedModel, pixels: Tensor) -> NDArray[np.int64]:
    return loaded.model(normalize(loaded, pixels)).argmax(-1).numpy()
