"""Block grids, masks and the layers that they cut."""

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from hw.config import ArrayConfig
from hw.errors import UserError
from prune.blocks import (
    BlockGrid,
    BlockMask,
    apply_masks_,
    check_block,
    parse_block,
    prunable_layers,
)


@pytest.mark.parametrize(("text", "block"), [("16", (16, 16)), ("32x16", (32, 16))])
def test_block_is_written_as_out_by_in_or_one_number(text: str, block: tuple[int, int]) -> None:
    assert parse_block(text) == block


@pytest.mark.parametrize(
    "text", ["", "0", "16x", "x16", "16x0", "-4", "16x16x16", "1.5", "1\uff16"]
)
def test_malformed_block_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected OUTxIN"):
        parse_block(text)


@pytest.mark.parametrize("block", [(16, 8), (8, 32), (48, 16), (32, 40)])
def test_block_of_part_of_a_tile_is_refused(block: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=r"multiples of the array's tile 32x16 .*--block 32x16"):
        check_block(block, ArrayConfig(rows=16, cols=32))


def test_block_of_whole_tiles_is_accepted() -> None:
    check_block((64, 48), ArrayConfig(rows=16, cols=32))


def test_partial_edge_blocks_are_counted_and_summed() -> None:
    grid = BlockGrid((10, 40), (4, 16))
    assert grid.size == (3, 3)
    assert grid.elements().tolist() == [[64, 64, 32], [64, 64, 32], [32, 32, 16]]
    np.testing.assert_array_equal(grid.sums(torch.ones(10, 40)), grid.elements())


def test_partial_edge_block_covers_fewer_tiles() -> None:
    grid = BlockGrid((72, 40), (32, 32))
    assert grid.pieces((16, 8)).tolist() == [[8, 2], [8, 2], [4, 1]]


def test_expanded_mask_covers_each_weight_once() -> None:
    grid = BlockGrid((5, 7), (2, 3))
    blocks = np.arange(grid.total).reshape(grid.size)
    covered = sum(grid.expand(blocks == index).astype(int) for index in range(grid.total))
    assert np.array_equal(covered, np.ones((5, 7)))


def test_vit_is_cut_into_every_linear_layer_by_module_path(tiny_vit: VisionTransformer) -> None:
    layers = {layer.name: layer.grid.shape for layer in prunable_layers(tiny_vit, (16, 16))}
    blocks = {
        f"blocks.{block}.{name}": shape
        for block in range(2)
        for name, shape in {
            "attn.qkv": (192, 64),
            "attn.proj": (64, 64),
            "mlp.fc1": (256, 64),
            "mlp.fc2": (64, 256),
        }.items()
    }
    assert layers == {"patch_embed.proj": (64, 192), **blocks, "head": (10, 64)}


def test_model_without_linear_layer_is_refused() -> None:
    with pytest.raises(UserError, match="no linear layer"):
        prunable_layers(torch.nn.ReLU(), (16, 16))


def test_masked_weights_are_zero_and_the_others_untouched(tiny_vit: VisionTransformer) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    rng = np.random.default_rng(0)
    layers = prunable_layers(tiny_vit, (24, 40))
    masks = {
        layer.name: BlockMask(layer.grid, rng.random(layer.grid.size) < 0.5) for layer in layers
    }
    apply_masks_(tiny_vit, masks)
    for name, mask in masks.items():
        weights = torch.from_numpy(mask.weights())
        expected = before[f"{name}.weight"].flatten(1) * weights
        actual = tiny_vit.state_dict()[f"{name}.weight"].flatten(1)
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)
