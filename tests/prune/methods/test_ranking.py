"""Rankings."""

from itertools import pairwise

import numpy as np

from prune.blocks import BlockGrid
from prune.methods import Ranking


def test_masks_are_nested_in_the_number_removed() -> None:
    grid = BlockGrid((8, 8), (2, 4))
    order = np.random.default_rng(0).permutation(grid.total)
    ranking = Ranking(order, np.zeros(grid.total + 1), np.zeros(grid.total + 1))
    masks = [ranking.mask(grid, removed).keep for removed in range(grid.total + 1)]
    assert [mask.sum() for mask in masks] == list(range(grid.total, -1, -1))
    assert all(not (later & ~earlier).any() for earlier, later in pairwise(masks))
