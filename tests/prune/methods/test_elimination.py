"""Block OBS against closed forms, in float64."""

import numpy as np
import pytest
import torch

from prune.blocks import BlockGrid, BlockMask
from prune.calibration.moments import Moments
from prune.methods.base import mask_without
from prune.methods.elimination import eliminate, merge
from prune.methods.refit import solve

GRIDS = [
    BlockGrid((32, 64), (8, 8)),
    BlockGrid((32, 64), (16, 4)),
    BlockGrid((30, 50), (8, 16)),  # partial blocks below and at the right
    BlockGrid((7, 5), (8, 16)),  # a single block, partial both ways
]
EXACT = 1e-6
ALIKE = {"rtol": EXACT, "atol": 1e-12}


class Layer:
    """Random weights and correlated inputs; the constant 1 of a bias comes last."""

    def __init__(self, grid: BlockGrid, constant: int = 1, images: int = 400) -> None:
        generator = torch.Generator().manual_seed(grid.total)
        size = grid.shape[1] + constant

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, dtype=torch.float64, generator=generator)

        self.grid, self.weight = grid, normal(grid.shape[0], size)
        inputs = normal(images, size) @ normal(size, size)
        if constant:
            inputs[:, -1] = 1
        self.second = inputs.T @ inputs / images + 0.01 * torch.eye(size)
        self.rows = normal(grid.shape[0]).square() + 0.1

    @property
    def moments(self) -> Moments:
        return Moments(self.second, self.weight @ self.second)

    def error(self, weight: torch.Tensor) -> float:
        """Of the layer's output, each row by its weight."""
        change = weight - self.weight
        return float(0.5 * ((change @ self.second * change).sum(dim=1) * self.rows).sum())

    def order(self, balance: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        inverse = torch.linalg.inv(self.second)
        return merge(eliminate(self.weight, inverse, self.grid, self.rows), balance)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("constant", [0, 1])
def test_scores_add_up_to_the_error_of_the_best_weights_for_the_mask(
    grid: BlockGrid, constant: int
) -> None:
    layer = Layer(grid, constant)
    order, scores = layer.order()
    for removed in range(grid.total + 1):
        best = solve(layer.moments, mask_without(grid, order[:removed]))
        np.testing.assert_allclose(scores[removed], layer.error(best), **ALIKE)


def test_no_other_weights_of_the_mask_have_less_error() -> None:
    layer = Layer(GRIDS[0])
    order, _ = layer.order()
    mask = mask_without(layer.grid, order[: layer.grid.total // 2])
    best = solve(layer.moments, mask)
    kept = torch.cat([torch.from_numpy(mask.weights()), torch.ones(32, 1, dtype=torch.bool)], 1)
    for seed in range(5):
        step = torch.randn(best.shape, generator=torch.Generator().manual_seed(seed)).double()
        for size in (1e-3, -1e-3):
            assert layer.error(best + size * step * kept) > layer.error(best)


def test_first_block_to_go_is_the_cheapest_of_all_by_brute_force() -> None:
    layer = Layer(GRIDS[0])
    order, _ = layer.order()
    alone = []
    for block in range(layer.grid.total):
        mask = mask_without(layer.grid, np.array([block]))
        alone.append(layer.error(solve(layer.moments, mask)))
    # Rows go by the slope of their hull, whose first step need not be their cheapest block.
    first_of_its_row = order[0] // layer.grid.size[1]
    row = np.reshape(alone, layer.grid.size)[first_of_its_row]
    assert order[0] % layer.grid.size[1] == np.argmin(row)


def test_every_block_goes_once() -> None:
    for grid in GRIDS:
        assert sorted(Layer(grid).order()[0]) == list(range(grid.total))


def test_removed_blocks_are_exactly_zero() -> None:
    layer = Layer(GRIDS[2])
    order, _ = layer.order()
    mask = mask_without(layer.grid, order[: layer.grid.total // 2])
    best = solve(layer.moments, mask)[:, : layer.grid.shape[1]]
    assert (best.numpy()[~mask.weights()] == 0).all()


def test_empty_block_row_keeps_its_mean_through_the_bias() -> None:
    layer = Layer(GRIDS[0])
    keep = np.ones(layer.grid.size, dtype=bool)
    keep[1] = False
    best = solve(layer.moments, BlockMask(layer.grid, keep))
    wanted = layer.moments.target[8:16, -1] / layer.second[-1, -1]
    torch.testing.assert_close(best[8:16, -1], wanted)


def test_beats_the_same_number_of_blocks_by_magnitude() -> None:
    layer = Layer(GRIDS[0])
    scores = layer.order()[1]
    half = layer.grid.total // 2
    by_size = np.argsort(layer.grid.sums(layer.weight[:, :-1].abs()).ravel())
    other = solve(layer.moments, mask_without(layer.grid, by_size[:half]))
    assert scores[half] < 0.97 * layer.error(other)


@pytest.mark.parametrize("balance", [1.0, 1.25])
def test_no_block_row_keeps_more_than_the_cap(balance: float) -> None:
    layer = Layer(GRIDS[0])
    order, scores = layer.order(balance)
    rows, _ = layer.grid.size
    for removed in range(layer.grid.total + 1):
        kept = mask_without(layer.grid, order[:removed]).keep.sum(axis=1)
        assert kept.max() <= np.ceil(balance * kept.sum() / rows)
    assert scores[-1] == pytest.approx(layer.order()[1][-1])


def test_a_cap_costs_error() -> None:
    layer = Layer(GRIDS[0])
    layer.rows[:8] *= 100
    half = layer.grid.total // 2
    assert layer.order(1.0)[1][half] > 1.05 * layer.order()[1][half]
