"""Multiply-accumulates: of an integer network, counted by hand, and of float models."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from hw.ir import Network
from prune.allocation.flops import FlopCost
from prune.blocks import BlockGrid, BlockMask, PrunableLayer, prunable_layers
from tests.prune.small import small_vit

TOKENS, WIDTH = 65, 96
LINEAR = 64 * 48 * WIDTH + TOKENS * WIDTH * WIDTH * (3 + 1 + 4 + 4) + WIDTH * 10


def qkv(network: Network) -> PrunableLayer:
    name = "blocks.0.attn.qkv"
    grid = BlockGrid(network.params[f"{name}.weight"].shape, (16, 16))
    return PrunableLayer(name, nn.Linear(1, 1), grid)


def test_flops_count_linear_layers_and_attention(network: Network) -> None:
    assert FlopCost.of_network(network).dense == LINEAR + 2 * TOKENS * TOKENS * WIDTH


def test_flops_of_masks_are_the_dense_ones_less_what_went(network: Network) -> None:
    cost, layer = FlopCost.of_network(network), qkv(network)
    order = np.arange(layer.grid.total)
    keep = np.ones(layer.grid.total, bool)
    keep[order[:7]] = False
    mask = BlockMask(layer.grid, keep.reshape(layer.grid.size))
    assert cost.total({layer.name: mask}) == cost.dense - cost.saved(layer, order)[7]
    assert cost.saved(layer, order)[7] == 7 * 16 * 16 * 65


def test_float_model_counts_as_its_integer_network(network: Network) -> None:
    by_running = FlopCost.of_model(small_vit(32), torch.zeros(3, 32, 32))
    by_shapes = FlopCost.of_network(network)
    assert by_running.dense == by_shapes.dense
    for layer in prunable_layers(small_vit(32), (16, 16)):
        order = np.arange(layer.grid.total)
        assert np.array_equal(by_running.saved(layer, order), by_shapes.saved(layer, order))


def test_windows_of_a_swin_are_counted_in_every_layer() -> None:
    model = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=32, embed_dim=16, depths=(1, 1), num_heads=(1, 2),
        window_size=4, num_classes=3,
    ).eval()  # fmt: skip
    cost = FlopCost.of_model(model, torch.zeros(3, 32, 32))
    layers = {layer.name: layer for layer in prunable_layers(model, (8, 8))}
    everything = {name: cost.saved(layer, np.arange(layer.grid.total))[-1]
                  for name, layer in layers.items()}  # fmt: skip
    assert everything["patch_embed.proj"] == 64 * 16 * 48
    assert everything["layers.0.blocks.0.attn.qkv"] == 64 * 16 * 48
    assert everything["layers.1.blocks.0.mlp.fc1"] == 16 * 32 * 128
    attention = 2 * 16 * 64 * 16 + 2 * 16 * 16 * 32  # windows of 16 tokens, then one of 16
    assert cost.dense == pytest.approx(sum(everything.values()) + attention)
