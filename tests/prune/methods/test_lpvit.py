"""LPViT's curves against a quadratic form written out, and the traps of the published form."""

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.errors import UserError
from prune.blocks import prunable_layers
from prune.methods import LPViT, Ranking, method_named
from prune.methods.lpvit import Form, Power, output_gradients, second_order_curve, smooth

BLOCK = (2, 2)
DAMPING = 0.3


@pytest.fixture
def layer() -> nn.Sequential:
    """One linear layer of 20 x 20, so that each of 100 blocks is one ratio."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 20)).double()


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(8, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def rank(model: nn.Module, images: torch.Tensor, second_order: Form) -> Ranking:
    method = LPViT(BLOCK, smoothing=0.0, damping=DAMPING, power="off", second_order=second_order)
    return method.rank(model, prunable_layers(model, BLOCK), images)["0"]


def brute_force(model: nn.Module, images: torch.Tensor, ranking: Ranking) -> np.ndarray:
    """d(n) with the full matrix H, one n at a time."""
    (prunable,) = prunable_layers(model, BLOCK)
    gradient = output_gradients(model, [prunable], images)["0"].flatten()
    hessian = torch.outer(gradient, gradient) + torch.diag(torch.full_like(gradient, DAMPING))
    curve = []
    for removed in range(prunable.grid.total + 1):
        keep = torch.from_numpy(ranking.mask(prunable.grid, removed).weights())
        change = (prunable.matrix() * keep - prunable.matrix()).flatten()
        first = (change * gradient).square().mean()
        curve.append(float(first + 0.5 * change @ hessian @ change))
    return np.array(curve)


def test_corrected_curve_equals_brute_force(layer: nn.Module, inputs: torch.Tensor) -> None:
    ranking = rank(layer, inputs, "corrected")
    np.testing.assert_allclose(ranking.distortion, brute_force(layer, inputs, ranking), rtol=1e-9)


def test_published_recurrence_differs_from_brute_force(
    layer: nn.Module, inputs: torch.Tensor
) -> None:
    ranking = rank(layer, inputs, "published")
    exact = brute_force(layer, inputs, ranking)
    assert np.linalg.norm(ranking.distortion - exact) > 0.2 * np.linalg.norm(exact)


def test_published_recurrence_adds_the_squared_steps() -> None:
    slope, zero = np.array([0.0, 2.0, 1.0, 4.0]), np.zeros(4)
    published = second_order_curve(slope, zero, zero, 0.0, "published")
    assert (published - slope**2 / 2).tolist() == [0.0, 4.0, 5.0, 14.0]


def test_gradient_is_that_of_the_mean_squared_output(
    layer: nn.Module, inputs: torch.Tensor
) -> None:
    (prunable,) = prunable_layers(layer, BLOCK)
    layer.requires_grad_(False)
    gradient = output_gradients(layer, [prunable], inputs)["0"]
    output = layer(inputs)  # (images, out)
    torch.testing.assert_close(gradient, 2 * output.T @ inputs / output.numel())


def test_gradients_leave_the_model_as_it_was(
    tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    tiny_vit.requires_grad_(False)
    output_gradients(tiny_vit, prunable_layers(tiny_vit, (16, 16)), tiny_images)
    assert not any(p.requires_grad or p.grad is not None for p in tiny_vit.parameters())


def test_mini_batches_add_up_to_one_backward_pass(
    layer: nn.Module, inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = prunable_layers(layer, BLOCK)
    whole = output_gradients(layer, layers, inputs)["0"]
    monkeypatch.setattr("prune.methods.lpvit._BATCH", 3)
    torch.testing.assert_close(output_gradients(layer, layers, inputs)["0"], whole)


def test_blocks_go_by_mean_weight_times_gradient(layer: nn.Module, inputs: torch.Tensor) -> None:
    (prunable,) = prunable_layers(layer, BLOCK)
    gradient = output_gradients(layer, [prunable], inputs)["0"]
    scores = (prunable.matrix() * gradient).abs().view(10, 2, 10, 2).mean((1, 3)).flatten()
    assert rank(layer, inputs, "corrected").order.tolist() == scores.argsort().tolist()


def test_published_power_raises_the_price_of_removal_and_corrected_lowers_it(
    tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    layers = prunable_layers(tiny_vit, (16, 16))
    extra = {}
    signs: tuple[Power, Power] = ("published", "corrected")
    for sign in signs:
        method = LPViT((16, 16), power=sign, power_weight=2.0)
        ranking = method.rank(tiny_vit, layers, tiny_images)["blocks.0.mlp.fc2"]
        extra[sign] = ranking.objective - ranking.distortion
    removed = np.arange(65)
    np.testing.assert_allclose(extra["published"], 2.0 * removed * (256 // 16), atol=1e-9)
    np.testing.assert_allclose(extra["corrected"], -extra["published"])


def test_slope_ratio_balances_the_mean_of_the_steepest_slopes(
    tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    layers = prunable_layers(tiny_vit, (1, 1))  # fine enough for the curves to hold every ratio
    method = LPViT((1, 1), power="published", power_weight="slope-ratio")
    rankings = method.rank(tiny_vit, layers, tiny_images)
    steepest: dict[str, list[float]] = {"loss": [], "power": []}
    for layer in layers:
        ranking, share = rankings[layer.name], np.linspace(0, 1, layer.grid.total + 1)
        ratios = np.arange(101) / 100
        for name, curve in (
            ("loss", ranking.distortion),
            ("power", ranking.objective - ranking.distortion),
        ):
            steepest[name].append(np.gradient(np.interp(ratios, share, curve), ratios).max())
    assert np.mean(steepest["loss"]) == pytest.approx(np.mean(steepest["power"]), rel=0.02)


def test_smoothing_is_unbiased_from_the_first_point() -> None:
    np.testing.assert_allclose(smooth(np.full(5, 3.0), 0.9), np.full(5, 3.0))
    np.testing.assert_allclose(smooth(np.array([0.0, 1.0]), 0.5), [0.0, 0.5 / 0.75])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"second_order": "wrong"}, "second_order"),
        ({"power": "wrong"}, "power"),
        ({"power_weight": -1.0}, "power_weight"),
        ({"power_weight": "auto"}, "power_weight"),
        ({"damping": -1.0}, "damping"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"min_keep": 1.0}, "min_keep"),
        ({"block": (0, 16)}, "block"),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        LPViT(**settings)


def test_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="'random': unknown; choose one of magnitude, wanda"):
        method_named("random", (16, 16))
