"""Magnitude pruning."""

import torch
from torch import nn

from prune.blocks import prunable_layers
from prune.methods import Magnitude, Ranking


def rank(weight: torch.Tensor, block: tuple[int, int]) -> Ranking:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = weight
    model = nn.Sequential(layer)
    return Magnitude(block).rank(model, prunable_layers(model, block), torch.empty(0))["0"]


def test_blocks_go_by_mean_magnitude() -> None:
    scale = torch.tensor([[3.0, -1.0], [2.0, 4.0]])
    ranking = rank(scale.repeat_interleave(4, 0).repeat_interleave(4, 1), (4, 4))
    assert ranking.order.tolist() == [1, 2, 0, 3]


def test_partial_block_is_not_small_for_being_partial() -> None:
    weight = torch.ones(4, 5)
    weight[:, 4] = 2.0
    assert rank(weight, (4, 4)).order.tolist() == [0, 1]


def test_distortion_is_the_share_of_energy_removed() -> None:
    weight = torch.tensor([[1.0, 2.0, 3.0]]).repeat_interleave(2, 1).repeat(2, 1)
    assert rank(weight, (2, 2)).distortion.tolist() == [0.0, 1 / 14, 5 / 14, 1.0]


def test_layer_of_zeros_costs_nothing() -> None:
    assert rank(torch.zeros(4, 4), (2, 2)).distortion.tolist() == [0.0] * 5
