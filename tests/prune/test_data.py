"""Images: from folders and the bundled file, in the model's size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from hw.errors import UserError
from prune.data import calibration_images, calibration_source, labelled_paths
from prune.models import LoadedModel


def model_for(channels: int, size: int, name: str = "test") -> LoadedModel:
    model = VisionTransformer(
        img_size=size, patch_size=8, in_chans=channels, embed_dim=48, depth=1, num_heads=3
    )
    return LoadedModel(model, name, "test", (0.5,) * channels, (0.5,) * channels, random=True)


def write_image(path: Path, value: int, size: tuple[int, int] = (40, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def test_folder_is_searched_recursively(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", 0)
    write_image(tmp_path / "deep" / "er" / "b.JPEG", 255)
    (tmp_path / "notes.txt").write_text("no image")
    images = calibration_images(model_for(3, 32), tmp_path)
    assert images.shape == (2, 3, 32, 32)
    assert sorted(images.mean((1, 2, 3)).tolist()) == [0.0, 1.0]


def test_choice_repeats_for_a_seed_and_differs_between_seeds(tmp_path: Path) -> None:
    for value in range(20):
        write_image(tmp_path / f"{value}.png", value)
    loaded = model_for(3, 32)
    first, again, other = (
        calibration_images(loaded, tmp_path, count=5, seed=seed) for seed in (1, 1, 2)
    )
    assert len(first) == 5
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (8, 500)])
def test_crop_takes_the_center_of_the_shorter_side(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    short = min(size)
    pixels = np.zeros((height, width), np.uint8)
    top, left = (height - short) // 2, (width - short) // 2
    pixels[top : top + short, left : left + short] = 255
    Image.fromarray(pixels).save(tmp_path / "center.png")
    image = calibration_images(model_for(1, 32), tmp_path)[0]
    assert image.shape == (1, 32, 32)
    assert image[:, 4:-4, 4:-4].min() == 1.0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_image_mode_gives_the_channels_of_the_model(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new(mode, (32, 32)).save(tmp_path / f"image.{suffix}")
    images = calibration_images(model_for(3, 32), tmp_path)
    assert images.shape == (1, 3, 32, 32)
    assert 0 <= images.min() <= images.max() <= 1


def test_bundled_images_are_stand_ins_for_other_models() -> None:
    loaded = model_for(3, 32)
    images = calibration_images(loaded, count=4)
    assert images.shape == (4, 3, 32, 32)
    assert 0 <= images.min() < 0.1
    assert 0.9 < images.max() <= 1
    assert "stand-ins" in calibration_source(loaded)


def test_bundled_images_are_the_demo_s_own() -> None:
    loaded = model_for(1, 28, name="demo")
    assert calibration_images(loaded).shape == (256, 1, 28, 28)
    assert "stand-ins" not in calibration_source(loaded)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder"):
        calibration_images(model_for(3, 32), tmp_path / "nowhere")


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no image"):
        calibration_images(model_for(3, 32), tmp_path)


@pytest.mark.parametrize("kept", [0, 40])
def test_damaged_image_is_named(tmp_path: Path, kept: int) -> None:
    write_image(tmp_path / "damaged.png", 7)
    path = tmp_path / "damaged.png"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"damaged\.png: cannot be read as an image"):
        calibration_images(model_for(3, 32), tmp_path)


def test_count_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="at least one"):
        calibration_images(model_for(3, 32), count=0)


def test_classes_are_numbered_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("zebra/1.png", "ant/1.png", "ant/2.png", "cat/x.png"):
        write_image(tmp_path / name, 0)
    paths, labels = labelled_paths(tmp_path)
    assert [path.parent.name for path in paths] == ["ant", "ant", "cat", "zebra"]
    assert labels.tolist() == [0, 0, 1, 2]


def test_class_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no image"):
        labelled_paths(tmp_path)


def test_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", 0)
    with pytest.raises(UserError, match="no subfolders"):
        labelled_paths(tmp_path)
