"""The two costs: totals against the exact model and a count by hand, and savings along an order."""

import numpy as np
import pytest
from torch import nn

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network
from prune.blocks import BlockGrid, BlockMask, PrunableLayer
from prune.budget import CycleCost, FlopCost, cost_in, masked
from sim.cycles import network_cycles

CONFIG = ArrayConfig()


def grid_of(network: Network, name: str, block: tuple[int, int] = (16, 16)) -> BlockGrid:
    return BlockGrid(network.params[f"{name}.weight"].shape, block)


def layer_of(network: Network, name: str) -> PrunableLayer:
    return PrunableLayer(name, nn.Linear(1, 1), grid_of(network, name))


def random_masks(network: Network, density: float) -> dict[str, BlockMask]:
    rng = np.random.default_rng(0)
    grids = {op.name: grid_of(network, op.name) for op in network.linears()}
    return {n: BlockMask(g, rng.random(g.size) < density) for n, g in grids.items()}


def test_cycles_of_masks_are_those_of_the_masked_network(network: Network) -> None:
    masks = random_masks(network, 0.5)
    expected = network_cycles(masked(network, masks), CONFIG).total
    assert CycleCost(network, CONFIG).total(masks) == expected


def test_masking_leaves_the_network_itself_alone(network: Network) -> None:
    before = network.params["head.weight"].copy()
    masks = random_masks(network, 0.0)
    assert not masked(network, masks).params["head.weight"].any()
    assert np.array_equal(network.params["head.weight"], before)


def test_savings_in_cycles_are_the_exact_ones_while_tiles_stay_busy(network: Network) -> None:
    cost, layer = CycleCost(network, CONFIG), layer_of(network, "blocks.0.mlp.fc2")
    order = np.random.default_rng(0).permutation(layer.grid.total)
    saved = cost.saved(layer, order)
    keep = np.ones(layer.grid.total, bool)
    keep[order[:30]] = False
    mask = BlockMask(layer.grid, keep.reshape(layer.grid.size))
    assert saved[30] == cost.dense - cost.total({layer.name: mask})


def test_layer_that_stores_longer_than_it_computes_saves_nothing_more(network: Network) -> None:
    cost, layer = CycleCost(network, CONFIG), layer_of(network, "blocks.0.attn.proj")
    saved = cost.saved(layer, np.arange(layer.grid.total))  # six blocks a row of output tiles
    rows, columns = layer.grid.size
    assert np.diff(saved).tolist() == [65.0] * (rows * columns - rows) + [0.0] * rows


def test_flops_count_linear_layers_and_attention(network: Network) -> None:
    tokens, width = 65, 96
    linear = 64 * 48 * width + tokens * width * width * (3 + 1 + 4 + 4) + width * 10
    assert FlopCost(network).dense == linear + 2 * tokens * tokens * width


def test_flops_of_masks_are_the_dense_ones_less_what_went(network: Network) -> None:
    cost, layer = FlopCost(network), layer_of(network, "blocks.0.attn.qkv")
    order = np.arange(layer.grid.total)
    keep = np.ones(layer.grid.total, bool)
    keep[order[:7]] = False
    mask = BlockMask(layer.grid, keep.reshape(layer.grid.size))
    assert cost.total({layer.name: mask}) == cost.dense - cost.saved(layer, order)[7]
    assert cost.saved(layer, order)[7] == 7 * 16 * 16 * 65


def test_unknown_unit_is_refused(network: Network) -> None:
    with pytest.raises(UserError, match="expected one of cycles, flops"):
        cost_in("joules", network, CONFIG)
