"""Removed blocks stay exactly zero, whatever the optimizer does; strange masks are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from timm.models.vision_transformer import VisionTransformer

from hw.errors import UserError
from prune.blocks import BlockMask, apply_masks_, prunable_layers
from prune.finetune.masks import FixedMasks, read_masks
from prune.finetune.recipe import Recipe, make_optimizer
from prune.models import load_model


def random_masks(model: VisionTransformer) -> dict[str, BlockMask]:
    rng = np.random.default_rng(0)
    return {
        layer.name: BlockMask(layer.grid, rng.random(layer.grid.size) < 0.5)
        for layer in prunable_layers(model, (16, 16))
    }


def some_loss(model: VisionTransformer, images: torch.Tensor) -> torch.Tensor:
    """Has a gradient in every layer, also while the head is zero."""
    features = model.forward_features(images)
    return (features**3).sum() + model.head(features).sum()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lamb", "lion", "muon"])
def test_removed_blocks_stay_zero_through_momentum_and_weight_decay(
    optimizer: str, tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    model = tiny_vit.requires_grad_(True)
    masks = random_masks(model)
    steps = make_optimizer(Recipe(optimizer=optimizer, weight_decay=0.5, lr=1e-2), model)
    # Momentum from before the masks must not bring anything back either.
    some_loss(model, tiny_images).backward()
    steps.step()
    apply_masks_(model, masks)
    fixed = FixedMasks(model, masks)
    for _ in range(3):
        steps.zero_grad()
        some_loss(model, tiny_images).backward()
        fixed.clear_gradients_()
        steps.step()
        fixed.apply_()
        for name, mask in masks.items():
            weight = model.get_submodule(name).weight.detach().flatten(1)
            assert not weight[torch.from_numpy(~mask.weights())].any()


def test_removed_blocks_count_in_no_gradient_norm(
    tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    model = tiny_vit.requires_grad_(True)
    masks = random_masks(model)
    some_loss(model, tiny_images).backward()
    FixedMasks(model, masks).clear_gradients_()
    for name, mask in masks.items():
        gradient = model.get_submodule(name).weight.grad
        assert isinstance(gradient, torch.Tensor)
        dead = torch.from_numpy(~mask.weights())
        assert not gradient.flatten(1)[dead].any()
        assert gradient.any() or not mask.kept


def test_masks_read_back_as_written(pruned_demo: Path) -> None:
    model = load_model("demo", pruned_demo / "pruned.safetensors").model
    masks = read_masks(pruned_demo, model, (16, 16))
    for name, keep in load_file(pruned_demo / "masks.safetensors").items():
        np.testing.assert_array_equal(masks[name].keep, keep)


@pytest.mark.parametrize("change", ["none", "damaged", "other names", "other shape", "other model"])
def test_masks_that_do_not_fit_are_one_line(change: str, pruned_demo: Path, tmp_path: Path) -> None:
    model = load_model("demo", pruned_demo / "pruned.safetensors").model
    path = tmp_path / "masks.safetensors"
    arrays = load_file(pruned_demo / "masks.safetensors")
    if change == "damaged":
        shutil.copy(pruned_demo / "masks.safetensors", path)
        path.write_bytes(path.read_bytes()[:-40])
    elif change == "other names":
        save_file({f"other.{name}": array for name, array in arrays.items()}, path)
    elif change == "other shape":
        save_file({name: array[:1] for name, array in arrays.items()}, path)
    elif change == "other model":
        save_file({name: ~array for name, array in arrays.items()}, path)
    for file in ("pruned.json", "pruned.safetensors"):
        shutil.copy(pruned_demo / file, tmp_path)
    with pytest.raises(UserError, match=r"masks\.safetensors") as error:
        read_masks(tmp_path, model, (16, 16))
    assert "\n" not in str(error.value)
