"""Costs on the machine: totals against the exact models, and savings along an order."""

import numpy as np
import pytest
from torch import nn

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import kept_tiles
from prune.allocation.price import CycleCost, EnergyCost, Machine, masked
from prune.blocks import BlockGrid, BlockMask, PrunableLayer
from sim.cycles import network_cycles
from tests.prune.small import microjoules

CONFIG = ArrayConfig()
GEOMETRIES = [
    CONFIG,
    ArrayConfig(rows=32, cols=16),
    ArrayConfig(rows=16, cols=64),
    ArrayConfig(acc_depth=32),
]


def cycle_cost(network: Network, config: ArrayConfig = CONFIG) -> CycleCost:
    return CycleCost(Machine(network, config))


def energy_cost(network: Network, config: ArrayConfig = CONFIG) -> EnergyCost:
    machine = Machine(network, config)
    return EnergyCost(machine, CycleCost(machine))


def grid_of(network: Network, name: str, block: tuple[int, int] = (16, 16)) -> BlockGrid:
    return BlockGrid(network.params[f"{name}.weight"].shape, block)


def layer_of(network: Network, name: str) -> PrunableLayer:
    return PrunableLayer(name, nn.Linear(1, 1), grid_of(network, name))


def random_masks(network: Network, density: float) -> dict[str, BlockMask]:
    rng = np.random.default_rng(0)
    grids = {op.name: grid_of(network, op.name) for op in network.linears()}
    return {n: BlockMask(g, rng.random(g.size) < density) for n, g in grids.items()}


@pytest.mark.parametrize("config", GEOMETRIES, ids=lambda c: f"{c.rows}x{c.cols},{c.acc_depth}")
def test_kept_tiles_are_those_of_the_masked_network(network: Network, config: ArrayConfig) -> None:
    """Heads of 32 features lie padded in words of 64, blocks of 16 within and across tiles."""
    machine = Machine(network, config)
    for density in (1.0, 0.6, 0.1, 0.0):
        masks = random_masks(network, density)
        expected = kept_tiles(masked(network, masks), machine.model.schedule)
        for name, tiles in machine.kept(masks).items():
            assert np.array_equal(tiles, expected[name]), name


def test_kept_tiles_need_a_weight(network: Network) -> None:
    name = "blocks.0.mlp.fc1"
    grid = grid_of(network, name)
    keep = np.ones(grid.size, bool)
    keep[2, 3] = False
    thinned = masked(network, {name: BlockMask(grid, keep)})
    assert np.argwhere(~Machine(thinned, CONFIG).kept({})[name]).tolist() == [[3, 2]]


def test_cycles_of_masks_are_those_of_the_masked_network(network: Network) -> None:
    cost = cycle_cost(network)
    for density in (0.5, 0.2):
        masks = random_masks(network, density)
        assert cost.total(masks) == network_cycles(masked(network, masks), CONFIG).total


@pytest.mark.parametrize("config", GEOMETRIES, ids=lambda c: f"{c.rows}x{c.cols},{c.acc_depth}")
def test_energy_of_masks_is_the_reports_of_the_masked_network(
    network: Network, config: ArrayConfig
) -> None:
    cost = energy_cost(network, config)
    assert cost.dense == pytest.approx(microjoules(network, config), rel=1e-12)
    masks = random_masks(network, 0.5)
    expected = microjoules(masked(network, masks), config)
    assert cost.total(masks) == pytest.approx(expected, rel=1e-12)


def test_savings_in_energy_are_the_exact_ones_while_tiles_stay_busy(network: Network) -> None:
    cost, layer = energy_cost(network), layer_of(network, "blocks.0.mlp.fc2")
    order = np.random.default_rng(0).permutation(layer.grid.total)
    keep = np.ones(layer.grid.total, bool)
    keep[order[:30]] = False
    mask = BlockMask(layer.grid, keep.reshape(layer.grid.size))
    saved = cost.saved(layer, order)
    assert saved[30] == pytest.approx(cost.dense - cost.total({layer.name: mask}), rel=1e-9)


def test_layer_that_stores_longer_than_it_computes_still_saves_energy(network: Network) -> None:
    cost, layer = energy_cost(network), layer_of(network, "blocks.0.attn.proj")
    steps = np.diff(cost.saved(layer, np.arange(layer.grid.total)))
    rows = layer.grid.size[0]
    assert (steps > 0).all()
    assert (steps[:-rows].min() > steps[-rows:].max()).all()


def test_masking_leaves_the_network_itself_alone(network: Network) -> None:
    before = network.params["head.weight"].copy()
    masks = random_masks(network, 0.0)
    assert not masked(network, masks).params["head.weight"].any()
    assert np.array_equal(network.params["head.weight"], before)


def test_savings_in_cycles_are_the_exact_ones_while_tiles_stay_busy(network: Network) -> None:
    cost, layer = cycle_cost(network), layer_of(network, "blocks.0.mlp.fc2")
    order = np.random.default_rng(0).permutation(layer.grid.total)
    saved = cost.saved(layer, order)
    keep = np.ones(layer.grid.total, bool)
    keep[order[:30]] = False
    mask = BlockMask(layer.grid, keep.reshape(layer.grid.size))
    assert saved[30] == cost.dense - cost.total({layer.name: mask})


def test_layer_that_stores_longer_than_it_computes_saves_nothing_more(network: Network) -> None:
    cost, layer = cycle_cost(network), layer_of(network, "blocks.0.attn.proj")
    saved = cost.saved(layer, np.arange(layer.grid.total))  # six blocks a row of output tiles
    rows, columns = layer.grid.size
    assert np.diff(saved).tolist() == [65.0] * (rows * columns - rows) + [0.0] * rows
