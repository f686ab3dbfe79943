"""The images of a sweep, and the check that none of them both calibrates and tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hw.errors import UserError
from prune.accuracy import load_test_set
from prune.data import calibration_images, image_paths
from prune.models import LoadedModel

_BATCH = 64


@dataclass(frozen=True)
class TestImages:
    """Labelled images, decoded."""

    source: str
    pixels: Tensor
    """uint8 (N, channels, height, width)."""
    labels: NDArray[np.int64]

    __test__ = False  # not a class of tests, whatever pytest thinks of its name


def read_test_images(
    loaded: LoadedModel, data: Path | None, limit: int | None, seed: int
) -> TestImages:
    """At most `limit` images of a test set, the choice that `prune.accuracy` makes as well.

    Raises:
        UserError: the folder is missing, empty or damaged.
    """
    test_set = load_test_set(loaded, data)
    count = len(test_set.labels)
    order = np.arange(count)
    if limit is not None and limit < count:
        order = np.sort(np.random.default_rng(seed).permutation(count)[:limit])
    parts = np.split(order, range(_BATCH, len(order), _BATCH))
    pixels = torch.cat([_as_bytes(test_set.read(part)) for part in parts])
    return TestImages(test_set.source, pixels, test_set.labels[order])


def draw_calibration(
    loaded: LoadedModel, data: Path | None, count: int, seed: int, draw: int
) -> Tensor:
    """The calibration images of a draw: pixels in [0, 1] (N, channels, height, width).

    Raises:
        UserError: the folder is missing or empty, or an image cannot be read.
    """
    return calibration_images(loaded, data, count, seed + draw)


def digest(pixels: Tensor) -> str:
    """Of the pixels of all images."""
    return hashlib.sha256(_as_bytes(pixels).numpy().tobytes()).hexdigest()[:16]


def check_folders(data: Path | None, test: Path | None) -> None:
    """Refuse folders that share files, by whatever name or link.

    Raises:
        UserError: when they do.
    """
    if data is None or test is None or not (data.is_dir() and test.is_dir()):
        return
    remedy = "test images must not calibrate; give folders that share nothing"
    first, second = data.resolve(), test.resolve()
    if first.is_relative_to(second) or second.is_relative_to(first):
        raise UserError(f"--data {data} and --test {test}: one lies in the other; {remedy}")
    if any(test.glob("*-idx?-ubyte*")):
        return
    tested = {_identity(path): path for path in image_paths(test)}
    for path in image_paths(data):
        twin = tested.get(_identity(path))
        if twin is not None:
            raise UserError(f"{path} and {twin}: the same file; {remedy}")


def check_disjoint(calibration: Tensor, test: TestImages) -> None:
    """Refuse calibration images whose pixels, at the model's size, are those of a test image.

    Raises:
        UserError: when there is one.
    """
    tested = {digest(image) for image in test.pixels}
    shared = sum(digest(image) in tested for image in calibration)
    if shared:
        raise UserError(
            f"{shared} of {len(calibration)} calibration images: also among the test images, "
            "expected none; take them out of --data, or choose others by --seed"
        )


def check_draws(draws: Sequence[Tensor]) -> None:
    """Refuse draws that are all the same images.

    Raises:
        UserError: when two are.
    """
    sets = {frozenset(digest(image) for image in pixels) for pixels in draws}
    if len(sets) < len(draws):
        raise UserError(
            f"draws={len(draws)}: {len(draws[0])} images are all that there are, so every draw is "
            "the same; ask for fewer --images, or one draw"
        )


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _as_bytes(pixels: Tensor) -> Tensor:
    return pixels if pixels.dtype == torch.uint8 else (255 * pixels).round().to(torch.uint8)
