"""Training images: opened lazily, augmented by timm or fitted to the model."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data import create_transform
from torch import Tensor
from torch.utils.data import Dataset

from hw.errors import UserError
from prune.data import Fit, labelled_paths, open_image
from prune.finetune.draws import Draw
from prune.finetune.recipe import Recipe
from prune.models import LoadedModel
from prune.models.image_shape import pretrained_config


@dataclass(frozen=True)
class LabelledImages:
    """Images with labels, opened one at a time."""

    source: str
    files: list[Path] | NDArray[np.uint8]
    """Paths, or gray pixels (N, H, W)."""
    labels: NDArray[np.int64]
    mode: str
    """Of the opened images, as Pillow calls it."""

    def __len__(self) -> int:
        return len(self.labels)

    def open(self, index: int) -> Image.Image:
        """One image.

        Raises:
            UserError: its file is damaged.
        """
        file = self.files[index]
        if isinstance(file, Path):
            return open_image(file, self.mode)
        return Image.fromarray(file).convert(self.mode)

    def part(self, indices: NDArray[np.int64]) -> LabelledImages:
        """Those at `indices`."""
        if isinstance(self.files, list):
            files: Any = [self.files[i] for i in indices]
        else:
            files = self.files[indices]
        return replace(self, files=files, labels=self.labels[indices])


def labelled_images(loaded: LoadedModel, data: Path) -> LabelledImages:
    """The training images in `data`: one folder a class, or the Fashion-MNIST IDX files.

    Raises:
        UserError: the folder is missing, empty or damaged, or has another number of classes than
            the model.
    """
    mode = Fit.of(loaded).mode
    if data.is_dir() and any(data.glob("*-idx?-ubyte*")):
        arrays, labels = _read_idx(data)
        images = LabelledImages("Fashion-MNIST", arrays, labels, mode)
    else:
        paths, labels = labelled_paths(data)
        images = LabelledImages(data.resolve().name, paths, labels, mode)
    found, wanted = int(images.labels.max()) + 1, loaded.model.num_classes
    if found != wanted:
        raise UserError(
            f"{data}: has {found} classes, {loaded.name} has {wanted}; choose the images the "
            "model was trained for, one folder a class"
        )
    return images


def _read_idx(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from prune.demo.fashion import load_split

    try:
        return load_split(folder, "train")
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def split(images: LabelledImages, recipe: Recipe) -> tuple[LabelledImages, LabelledImages]:
    """Training and held-out images, a seeded choice; the limit counts the training images.

    Raises:
        UserError: too few are left to train on.
    """
    order = np.random.default_rng(recipe.seed).permutation(len(images))
    kept_out = round(recipe.held_out * len(images))
    chosen = order[kept_out:][: recipe.limit_images]
    if len(chosen) < recipe.batch_size:
        raise UserError(
            f"{images.source}: {len(chosen)} images to train on, fewer than a batch of "
            f"{recipe.batch_size}; use more images or --batch-size {max(len(chosen), 1)}"
        )
    return images.part(np.sort(chosen)), images.part(np.sort(order[:kept_out]))


def augmentation(loaded: LoadedModel, recipe: Recipe) -> Any:
    """timm's transform from an image to the model's normalized input (C, H, W).

    Raises:
        UserError: timm does not know the policy.
    """
    color_jitter: Any = recipe.color_jitter or None
    interpolation = pretrained_config(loaded.model).get("interpolation") or "bicubic"
    try:
        return create_transform(
            loaded.image_shape,
            is_training=True,
            scale=(recipe.crop, 1.0),
            hflip=recipe.hflip,
            color_jitter=color_jitter,
            auto_augment=recipe.auto_augment,
            interpolation=interpolation,
            mean=loaded.mean,
            std=loaded.std,
            re_prob=recipe.random_erase,
        )
    except (AssertionError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"auto_augment {recipe.auto_augment!r}: timm does not know it; "
            "expected a policy as rand-m6-n2-mstd0.5"
        ) from error


def _seed(seed: int) -> None:
    """Seed what transforms draw from; other devices' generators would cost more than an image."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - timm's policies draw from it
    torch.default_generator.manual_seed(seed)


class AugmentedImages(Dataset[Any]):
    """Normalized images and labels by `Draw`; a damaged file's error in the place of the two."""

    def __init__(self, images: LabelledImages, transform: Any) -> None:
        self._images, self._transform = images, transform

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int] | UserError:
        index, seed = draw
        _seed(seed)
        try:
            image = self._images.open(index)
        except UserError as error:
            return error
        return self._transform(image), int(self._images.labels[index])


class FittedImages(Dataset[Any]):
    """Images as timm evaluates the model: uint8 pixels (C, H, W) and labels, by index."""

    def __init__(self, images: LabelledImages, fit: Fit) -> None:
        self._images, self._fit = images, fit

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int] | UserError:
        try:
            image = self._images.open(index)
        except UserError as error:
            return error
        return torch.from_numpy(self._fit(image).copy()), int(self._images.labels[index])
