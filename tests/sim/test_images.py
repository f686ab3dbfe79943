"""Input images: the bundled ones and files, as int8 patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hw.errors import UserError
from hw.ir import ImageSpec
from sim.images import input_image, input_images

COLOR = ImageSpec(3, 8, 12, 4, 1 / 127, (0.0,) * 3, (1.0,) * 3)
DEMO = ImageSpec(1, 28, 28, 4, 1 / 127, (0.0,), (1.0,))


def test_bundled_image_of_the_demo_has_a_label() -> None:
    image = input_image(DEMO, "3")
    assert image.patches.shape == (49, 16)
    assert image.label in range(10)


def test_bundled_image_is_resized_for_another_model() -> None:
    image = input_image(COLOR, "3")
    assert image.patches.shape == (6, 48)
    assert image.label is None
    assert "stand-in" in image.source


def test_file_keeps_its_colors(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(np.full((30, 20, 3), (255, 0, 51), np.uint8)).save(path)
    patches = input_image(COLOR, str(path)).patches
    assert patches.reshape(6, 3, 16).mean(axis=(0, 2)).tolist() == [127, 0, 25]


def test_center_of_a_file_is_taken(tmp_path: Path) -> None:
    pixels = np.zeros((8, 40), np.uint8)
    pixels[:, 14:26] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (input_image(COLOR, str(tmp_path / "wide.png")).patches == 127).all()


def test_grey_model_takes_a_color_file(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((28, 28, 3), np.uint8)).save(tmp_path / "color.png")
    assert input_image(DEMO, str(tmp_path / "color.png")).patches.shape == (49, 16)


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.png: cannot be read as an image"):
        input_image(COLOR, str(path))


def test_number_beyond_the_bundled_images_is_refused() -> None:
    with pytest.raises(UserError, match="from 0 to 999"):
        input_image(DEMO, "1000")


def test_several_bundled_images_follow_each_other() -> None:
    images = input_images(DEMO, "3", 2)
    assert [image.source for image in images] == ["bundled test image 3", "bundled test image 4"]


def test_images_of_a_folder_are_spread_over_its_classes(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "notes.txt").write_text("no image")
        for number in range(4):
            Image.new("RGB", (12, 8)).save(tmp_path / label / f"{number}.png")
    images = input_images(COLOR, str(tmp_path), 4)
    assert [image.source for image in images] == [
        "cat/0.png",
        "cat/2.png",
        "dog/0.png",
        "dog/2.png",
    ]


def test_folder_of_too_few_images_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (12, 8)).save(tmp_path / "one.png")
    with pytest.raises(UserError, match="1 images, expected at least 2"):
        input_images(COLOR, str(tmp_path), 2)


def test_one_file_is_not_several_images(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (12, 8)).save(path)
    with pytest.raises(UserError, match="one image, not 2"):
        input_images(COLOR, str(path), 2)
