"""LPViT's power term beside any method's distortion."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from hw.errors import UserError
from prune.blocks import prunable_layers
from prune.methods import LPViT, Magnitude, Ranking
from prune.methods.power import Objective, check_objective, with_objective


def rankings_under(model: VisionTransformer, objective: Objective) -> dict[str, Ranking]:
    layers = prunable_layers(model, (8, 8))
    return with_objective(Magnitude((8, 8)).rank(model, layers, torch.empty(0)), layers, objective)


@pytest.mark.parametrize(("objective", "sign"), [("lpvit-power", 1), ("lpvit-power-corrected", -1)])
def test_power_grows_with_blocks_and_input_features(
    objective: Objective, sign: int, tiny_vit: VisionTransformer
) -> None:
    """A block of a layer with 64 input features weighs 4, of one with 192 it weighs 12."""
    found = rankings_under(tiny_vit, objective)
    units = {"patch_embed.proj": 12, "blocks.0.attn.qkv": 4, "blocks.1.mlp.fc2": 16}
    slopes = []
    for name, unit in units.items():
        power = found[name].objective - found[name].distortion
        steps = np.diff(power) / unit
        assert steps == pytest.approx(steps[0]) and sign * steps[0] > 0
        slopes.append(steps[0])
    assert all(a == pytest.approx(b) for a, b in pairwise(slopes))


def test_steepest_power_is_as_steep_as_the_steepest_distortion(tiny_vit: VisionTransformer) -> None:
    """On average over the layers, per share of removed blocks."""
    found = rankings_under(tiny_vit, "lpvit-power").values()
    ratios = np.arange(101) / 100
    mean = [
        np.mean(
            [
                np.gradient(np.interp(ratios, np.linspace(0, 1, len(curve)), curve), ratios).max()
                for curve in curves
            ]
        )
        for curves in (
            [ranking.distortion for ranking in found],
            [ranking.objective - ranking.distortion for ranking in found],
        )
    ]
    assert mean[0] == pytest.approx(mean[1])


@pytest.mark.parametrize(
    ("objective", "power"), [("lpvit-power", "published"), ("lpvit-power-corrected", "corrected")]
)
def test_lpvit_is_its_distortion_with_the_same_term(
    objective: Objective, power: str, tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    """Where a layer has more blocks than LPViT's curve has shares; a coarser one has stairs."""
    layers = [layer for layer in prunable_layers(tiny_vit, (4, 4)) if layer.grid.total > 100]
    own = LPViT((4, 4), power=power).rank(tiny_vit, layers, tiny_images)  # type: ignore[arg-type]
    plain = LPViT((4, 4), power="off").rank(tiny_vit, layers, tiny_images)
    for name, ranking in with_objective(plain, layers, objective).items():
        assert ranking.objective == pytest.approx(own[name].objective, rel=0.03, abs=1e-12)
        assert np.array_equal(ranking.order, own[name].order)


def test_distortion_alone_leaves_out_a_methods_other_terms(
    tiny_vit: VisionTransformer, tiny_images: torch.Tensor
) -> None:
    layers = prunable_layers(tiny_vit, (8, 8))
    own = LPViT((8, 8)).rank(tiny_vit, layers, tiny_images)
    for name, ranking in with_objective(own, layers, "distortion").items():
        assert np.array_equal(ranking.objective, own[name].distortion)
    for name, ranking in with_objective(own, layers, "method").items():
        assert np.array_equal(ranking.objective, own[name].objective)


def test_unknown_objective_is_refused() -> None:
    with pytest.raises(UserError, match="objective 'speed': unknown; choose one of method, dist"):
        check_objective("speed")
