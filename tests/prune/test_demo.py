"""The bundled demo: its files, its accuracy and the reader of its data."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.progress import Progress

from prune.demo import (
    CLASSES,
    IMAGES_PATH,
    SELECTORS_PATH,
    WEIGHTS_PATH,
    build_demo,
    load_bundled,
    load_bundled_weights,
    normalize,
)
from prune.demo.bundle import balanced_indices
from prune.demo.checkpoint import load_demo
from prune.demo.evaluate import top1
from prune.demo.fashion import load_split, read_idx
from prune.demo.train import Recipe, Trainer, augment
from prune.tokens.files import load_selected
from prune.tokens.live import live_tokens


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def test_demo_has_at_least_49_patch_tokens() -> None:
    assert build_demo().patch_embed.num_patches >= 49


@pytest.mark.parametrize(
    "path", [IMAGES_PATH, SELECTORS_PATH, WEIGHTS_PATH], ids=lambda path: path.name
)
def test_bundled_file_stays_under_2_megabytes(path: Path) -> None:
    assert path.stat().st_size < 2_000_000


def test_bundled_selectors_leave_the_demo_its_accuracy() -> None:
    loaded = load_selected("demo", None, SELECTORS_PATH)
    images, labels = load_bundled("test")
    assert top1(loaded.model, images, labels) > 0.85
    live = live_tokens(loaded.model, normalize(images[:256]))
    assert all(found.tokens.mean() < 30 for found in live.values())


def test_bundled_test_images_are_class_balanced() -> None:
    images, labels = load_bundled("test")
    assert images.shape == (1000, 28, 28)
    assert np.bincount(labels, minlength=len(CLASSES)).tolist() == [100] * len(CLASSES)


def test_calibration_images_do_not_occur_in_the_test_images() -> None:
    calibration, _ = load_bundled("calibration")
    test, _ = load_bundled("test")
    assert calibration.shape == (256, 28, 28)
    assert {image.tobytes() for image in calibration}.isdisjoint(image.tobytes() for image in test)


def test_unknown_bundled_split_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'calibration' or 'test'"):
        load_bundled("train")  # type: ignore[arg-type]


def test_bundled_weights_classify_the_bundled_images() -> None:
    model = build_demo()
    model.load_state_dict(load_bundled_weights())
    assert top1(model, *load_bundled("test")) >= 0.86


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_file_reads_back(tmp_path: Path, suffix: str) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(idx_bytes(array)) if suffix else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path, (2, 3, 4)), array)


@pytest.mark.parametrize("kept", [0, 3, 6, 15, 39])
def test_truncated_idx_names_the_file_and_a_remedy(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(np.zeros((2, 3, 4), np.uint8))[:kept])
    with pytest.raises(
        ValueError, match=rf"images: truncated, expected 40 bytes.*found {kept}; copy"
    ):
        read_idx(path, (2, 3, 4))


def test_truncated_gzip_names_the_file_and_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((2, 3, 4), np.uint8)))[:-9])
    with pytest.raises(ValueError, match=r"images\.gz: expected a complete gzip file.*; copy"):
        read_idx(path, (2, 3, 4))


def test_file_that_is_no_idx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(b"<html>not the data set</html>")
    with pytest.raises(ValueError, match="expected IDX magic 00000803, found 3c68746d"):
        read_idx(path, (2, 3, 4))


def test_idx_of_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(np.zeros((2, 3, 4), np.uint8)))
    with pytest.raises(ValueError, match=r"expected sizes \(2, 4, 3\), found \(2, 3, 4\)"):
        read_idx(path, (2, 4, 3))


def test_missing_data_set_names_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dataset-fashion-mnist"):
        load_split(tmp_path, "test")


def test_checkpoint_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="expected a safetensors checkpoint"):
        load_demo(path)


def test_balanced_sample_differs_by_at_most_one_per_class() -> None:
    labels = np.repeat(np.arange(10), 40)
    indices = balanced_indices(labels, 256, np.random.default_rng(0))
    assert len(set(indices.tolist())) == 256
    assert set(np.bincount(labels[indices]).tolist()) == {25, 26}


def test_augmentation_only_shifts_and_mirrors() -> None:
    images = torch.zeros(64, 1, 28, 28)
    images[:, :, 10:18, 5:9] = 1.0
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert (moved.sum((1, 2, 3)) == 32).all()
    left = {int(image[0].amax(0).argmax()) for image in moved}
    assert left == {3, 4, 5, 6, 7} | {17, 18, 19, 20, 21}


def test_resumed_training_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, seed=3, batch_size=4, plain_epochs=0)
    images = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(8)
    with Progress(disable=True) as progress:
        whole = Trainer(recipe, len(images))
        whole.train_epoch(images, labels, progress)
        whole.save_state(tmp_path / "state.pt")
        whole.train_epoch(images, labels, progress)
        resumed = Trainer(recipe, len(images))
        resumed.load_state(tmp_path / "state.pt")
        resumed.train_epoch(images, labels, progress)
    expected = whole.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_resuming_with_another_recipe_is_refused(tmp_path: Path) -> None:
    Trainer(Recipe(epochs=2, seed=3), 128).save_state(tmp_path / "state.pt")
    with pytest.raises(ValueError, match="expected the recipe"):
        Trainer(Recipe(epochs=3, seed=3), 128).load_state(tmp_path / "state.pt")
