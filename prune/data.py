"""Images: for calibration, and with labels for accuracy; always pixels in [0, 1] (N, C, H, W)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from hw.errors import UserError
from prune.demo import BundledSplit, load_bundled
from prune.models import LoadedModel
from prune.models.image_shape import pretrained_config

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
_MODES = {1: "L", 3: "RGB"}


def calibration_images(
    loaded: LoadedModel, data: Path | None = None, count: int | None = None, seed: int = 0
) -> Tensor:
    """`count` calibration images of the model's size, a seeded choice.

    Args:
        loaded: the model.
        data: image folder, searched recursively; None: the bundled Fashion-MNIST images.
        count: how many; None: 256 for the demo, 64 for the others. A smaller set is used whole.
        seed: of the choice.

    Raises:
        UserError: the folder is missing or empty, or an image cannot be read.
    """
    if count is None:
        count = 256 if loaded.is_demo else 64
    if count < 1:
        raise UserError(f"count={count}: expected at least one calibration image")
    if data is None:
        images, _ = bundled_images("calibration")
        return fit_bundled(loaded, images[_choice(len(images), count, seed)])
    paths = image_paths(data)
    return read_images(loaded, [paths[i] for i in _choice(len(paths), count, seed)])


def calibration_source(loaded: LoadedModel, data: Path | None = None) -> str:
    """Where `calibration_images` takes them from, for reports."""
    if data is not None:
        return f"image folder {data.name}"
    if loaded.is_demo:
        return "bundled Fashion-MNIST"
    return "bundled Fashion-MNIST, resized, as stand-ins for the model's own data"


def _choice(available: int, count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(available)[:count]


def bundled_images(split: BundledSplit) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bundled Fashion-MNIST images (N, 28, 28) and labels (N); `calibration` or `test`."""
    return load_bundled(split)


def fit_bundled(loaded: LoadedModel, images: NDArray[np.uint8]) -> Tensor:
    """uint8 images (N, H, W) as the model's channels and size, by bicubic interpolation."""
    channels, height, width = loaded.image_shape
    pixels = torch.from_numpy(images).float().unsqueeze(1) / 255
    if (height, width) != tuple(images.shape[1:]):
        pixels = F.interpolate(pixels, size=(height, width), mode="bicubic").clamp(0, 1)
    return pixels.repeat(1, channels, 1, 1)


def image_paths(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted.

    Raises:
        UserError: the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, expected one of images; correct DATA")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(
            f"{folder}: holds no image, expected files ending in {', '.join(SUFFIXES)}; "
            "correct DATA"
        )
    return paths


@dataclass(frozen=True)
class Fit:
    """Brings an image to a model's input: shorter side to `size / crop`, then the center."""

    size: tuple[int, int]
    """Height and width."""
    crop: float
    resampling: Image.Resampling
    mode: str
    """Of the image, as Pillow calls it."""

    @staticmethod
    def of(loaded: LoadedModel) -> Fit:
        """As timm evaluates the model.

        Raises:
            UserError: the model takes no image that a file could hold.
        """
        channels, height, width = loaded.image_shape
        if channels not in _MODES:
            raise UserError(
                f"{loaded.name}: has {channels} input channels; image files have 1 or 3"
            )
        config = pretrained_config(loaded.model)
        crop = float(config.get("crop_pct") or 1.0)
        resampling = _FILTERS.get(str(config.get("interpolation")), Image.Resampling.BICUBIC)
        return Fit((height, width), crop, resampling, _MODES[channels])

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Pixels (C, H, W) of an image in `mode`."""
        height, width = self.size
        factor = max(height / image.height, width / image.width) / self.crop
        resized = (
            max(round(image.width * factor), width),
            max(round(image.height * factor), height),
        )
        image = image.resize(resized, self.resampling)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        array = np.asarray(image.crop((left, top, left + width, top + height)), dtype=np.uint8)
        return array.reshape(height, width, -1).transpose(2, 0, 1)


def read_images(loaded: LoadedModel, paths: list[Path]) -> Tensor:
    """Images resized and center-cropped as timm evaluates the model."""
    fit = Fit.of(loaded)
    pixels = np.stack([fit(open_image(path, fit.mode)) for path in paths])
    return torch.from_numpy(pixels).float() / 255


def open_image(path: Path, mode: str) -> Image.Image:
    """One image in a mode of Pillow.

    Raises:
        UserError: the file cannot be read as an image.
    """
    try:
        with Image.open(path) as file:
            return file.convert(mode)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise UserError(
            f"{path}: cannot be read as an image; replace it or take it out of the folder"
        ) from error


def labelled_paths(folder: Path) -> tuple[list[Path], NDArray[np.int64]]:
    """Images in class subfolders; the class is the subfolder's place in alphabetical order.

    Raises:
        UserError: the folder is missing or has no subfolders with images.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, expected one folder a class; correct DATA")
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if not classes:
        raise UserError(f"{folder}: has no subfolders, expected one a class; correct DATA")
    paths: list[Path] = []
    labels: list[int] = []
    for label, subfolder in enumerate(classes):
        found = image_paths(subfolder)
        paths += found
        labels += [label] * len(found)
    return paths, np.array(labels)
