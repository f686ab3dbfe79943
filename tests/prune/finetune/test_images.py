"""Which images are drawn, and how they look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hw.errors import UserError
from prune.data import Fit, read_images
from prune.finetune.draws import collate
from prune.finetune.images import (
    AugmentedImages,
    FittedImages,
    augmentation,
    labelled_images,
    split,
)
from prune.finetune.recipe import Recipe
from prune.models import load_model


def test_augmentation_depends_on_the_draw_alone(class_folder: Path) -> None:
    loaded = load_model("demo")
    images = labelled_images(loaded, class_folder)
    dataset = AugmentedImages(images, augmentation(loaded, Recipe(auto_augment="rand-m5-n2")))
    first = dataset[(3, 7)]
    dataset[(4, 8)]
    again, other = dataset[(3, 7)], dataset[(3, 9)]
    assert not any(isinstance(item, UserError) for item in (first, again, other))
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])


def test_fitted_images_are_those_of_the_accuracy_command(class_folder: Path) -> None:
    loaded = load_model("demo")
    images = labelled_images(loaded, class_folder)
    pixels, label = FittedImages(images, Fit.of(loaded))[5]
    assert isinstance(images.files, list)
    torch.testing.assert_close(pixels / 255, read_images(loaded, images.files[5:6])[0])
    assert label == int(images.files[5].parent.name)


def test_held_out_images_are_not_trained_on(class_folder: Path) -> None:
    images = labelled_images(load_model("demo"), class_folder)
    train, held_out = split(images, Recipe(held_out=0.25, batch_size=8))
    assert len(train) + len(held_out) == len(images)
    assert len(held_out) == round(0.25 * len(images))
    assert not set(map(str, train.files)) & set(map(str, held_out.files))


def test_limit_does_not_change_the_held_out_images(class_folder: Path) -> None:
    images = labelled_images(load_model("demo"), class_folder)
    _, whole = split(images, Recipe(batch_size=8))
    train, limited = split(images, Recipe(batch_size=8, limit_images=20))
    assert len(train) == 20
    np.testing.assert_array_equal(whole.labels, limited.labels)


def test_damaged_image_is_passed_on_as_an_error(class_folder: Path, tmp_path: Path) -> None:
    loaded = load_model("demo")
    for label in range(10):
        path = tmp_path / str(label) / "image.png"
        path.parent.mkdir()
        path.write_bytes(b"no image")
    images = labelled_images(loaded, tmp_path)
    dataset = AugmentedImages(images, augmentation(loaded, Recipe()))
    found = collate([dataset[(0, 0)], dataset[(1, 0)]])
    assert isinstance(found, UserError) and "image.png" in str(found)


@pytest.mark.parametrize("classes", [1, 11])
def test_other_number_of_classes_is_refused(
    classes: int, class_folder: Path, tmp_path: Path
) -> None:
    source = next((class_folder / "0").iterdir())
    for label in range(classes):
        folder = tmp_path / f"{label:02}"
        folder.mkdir()
        (folder / "image.png").write_bytes(source.read_bytes())
    with pytest.raises(UserError, match=f"has {classes} classes, demo has 10"):
        labelled_images(load_model("demo"), tmp_path)


def test_unknown_augmentation_is_refused() -> None:
    with pytest.raises(UserError, match="auto_augment 'nonsense'"):
        augmentation(load_model("demo"), Recipe(auto_augment="nonsense"))
