"""The images that a simulation runs on."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from hw.artifacts import read_tensors
from hw.errors import UserError
from hw.ir import ImageSpec
from sim.reference import quantize_image

_MODES = {1: "L", 3: "RGB"}
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})


@dataclass(frozen=True)
class InputImage:
    """One image as a network takes it, and where it came from."""

    patches: NDArray[np.int8]
    """(patches, channels * patch * patch)"""
    source: str
    label: int | None = None
    """Its class, where known."""
    pixels: NDArray[np.float32] | None = None
    """What the patches are of, in [0, 1] (C, H, W)."""


def input_image(spec: ImageSpec, which: str) -> InputImage:
    """The bundled test image with that number, or the image file with that path.

    Another model than the demo gets the bundled grey image resized, as a stand-in for its own data.

    Raises:
        UserError: no such image, or a file that cannot be read as one.
    """
    if not which.isdecimal():
        return _quantized(spec, _read_file(spec, Path(which)), Path(which).name)
    images, labels = _bundled()
    number = int(which)
    if number >= len(images):
        raise UserError(f"image {which}: expected a path or a number from 0 to {len(images) - 1}")
    source = f"bundled test image {number}"
    if images.shape[1:] == (spec.height, spec.width) and spec.channels == 1:
        pixels = images[number][None] / 255
        return _quantized(spec, pixels, source, int(labels[number]))
    size = (spec.width, spec.height)
    resized = np.asarray(Image.fromarray(images[number]).resize(size, Image.Resampling.BICUBIC))
    pixels = np.repeat(resized[None], spec.channels, axis=0) / 255
    return _quantized(spec, pixels, f"{source}, resized as a stand-in")


def input_images(spec: ImageSpec, which: str, count: int) -> list[InputImage]:
    """Several images: the bundled ones from a number on, or files of a folder, or one image.

    Of a folder, files at equal distances in the order of their paths are taken, so that folders of
    classes all take part.

    Raises:
        UserError: there are not so many, or one cannot be read.
    """
    if which.isdecimal():
        return [input_image(spec, str(int(which) + i)) for i in range(count)]
    path = Path(which)
    if not path.is_dir():
        if count > 1:
            raise UserError(
                f"{which}: one image, not {count}; choose a folder of images or a number as IMAGE"
            )
        return [input_image(spec, which)]
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file())
    if len(files) < count:
        raise UserError(
            f"{which}: {len(files)} images, expected at least {count}; ask for fewer IMAGES"
        )
    chosen = [files[i * len(files) // count] for i in range(count)]
    return [
        _quantized(spec, _read_file(spec, file), str(file.relative_to(path))) for file in chosen
    ]


def _quantized(
    spec: ImageSpec, pixels: NDArray[np.float64], source: str, label: int | None = None
) -> InputImage:
    """An image whose pixels have the precision that other executors take them in."""
    single = pixels.astype(np.float32)
    return InputImage(quantize_image(spec, single), source, label, single)


def _bundled() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Fashion-MNIST test images (1000, 28, 28) and labels: data beside the demo, found without
    importing it."""
    package = importlib.util.find_spec("prune")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0], "demo", "images.safetensors")
    arrays = read_tensors(path, "the bundled images", "restore it from the repository")
    return arrays["test.images"], arrays["test.labels"]


def _read_file(spec: ImageSpec, path: Path) -> NDArray[np.float64]:
    """Pixels in [0, 1] (C, H, W): the shorter side resized to fit, then the center."""
    if spec.channels not in _MODES:
        raise UserError(f"{path}: the network has {spec.channels} channels; images have 1 or 3")
    try:
        with Image.open(path) as file:
            image = file.convert(_MODES[spec.channels])
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise UserError(
            f"{path}: cannot be read as an image, expected a PNG, JPEG or similar file or the "
            "number of a bundled image; choose another IMAGE"
        ) from error
    factor = max(spec.height / image.height, spec.width / image.width)
    width, height = round(image.width * factor), round(image.height * factor)
    width, height = max(width, spec.width), max(height, spec.height)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - spec.width) // 2, (height - spec.height) // 2
    pixels = np.asarray(image.crop((left, top, left + spec.width, top + spec.height)))
    return pixels.reshape(spec.height, spec.width, -1).transpose(2, 0, 1) / 255
