"""Second moments and targets against sums written out."""

import pytest
import torch
from torch import nn

from prune.blocks import PrunableLayer, prunable_layers
from prune.calibration import moments as module
from prune.calibration.moments import moments


@pytest.fixture(params=[(6, 4), (4, 6)], ids=["wide", "narrow"])
def layer(request: pytest.FixtureRequest) -> PrunableLayer:
    torch.manual_seed(0)
    return prunable_layers(nn.Sequential(nn.Linear(*request.param).double()), (2, 2))[0]


def test_moments_are_sums_over_tokens(
    layer: PrunableLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOKENS", 7)  # the sums go over several parts
    torch.manual_seed(1)
    features = layer.grid.shape[1]
    dense, now = torch.randn(2, 30, features).double()
    weights = torch.rand(30).double()
    found = moments(layer, now, 3, 0.0, dense, weights)
    x = torch.cat([now, torch.ones(30, 1)], dim=1)
    second = sum(w * torch.outer(t, t) for w, t in zip(weights, x, strict=True)) / 3
    torch.testing.assert_close(found.second, second)
    outputs = layer.module(dense)  # what the layer is to give from `now`
    target = sum(w * torch.outer(y, t) for w, y, t in zip(weights, outputs, x, strict=True)) / 3
    torch.testing.assert_close(found.target, target)


def test_ridge_pulls_towards_the_dense_weights(layer: PrunableLayer) -> None:
    torch.manual_seed(1)
    dense, now = torch.randn(2, 30, layer.grid.shape[1]).double()
    wide = moments(layer, now, 3, 0.9, dense)
    tight = moments(layer, now, 3, 1e-9, dense)
    far = [
        torch.linalg.solve(found.second, found.target.T).T[:, :-1] - layer.matrix()
        for found in (wide, tight)
    ]
    assert far[0].norm() < 0.8 * far[1].norm()
