"""Settings of a finetuning: what is refused, and timm's schedule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from timm.models.vision_transformer import VisionTransformer

from hw.errors import UserError
from prune.finetune.recipe import Recipe, make_optimizer, make_schedule


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0.0),
        ("epochs", float("nan")),
        ("lr", 0.0),
        ("batch_size", 0),
        ("held_out", 1.0),
        ("held_out", 1.5),
        ("crop", 0.0),
        ("distill", "loud"),
        ("distill_weight", 2.0),
        ("temperature", 0.0),
        ("precision", "int4"),
        ("schedule", "random"),
        ("optimizer", "no such"),
        ("ema", 1.0),
        ("limit_images", 0),
        ("steps", 0),
    ],
)
def test_value_that_cannot_be_used_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"{field}.*expected|{field}.*use"):
        Recipe(**{field: value})


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"lr": 1, "layer_decay": 0.5}))
    recipe = Recipe.of(path, {"lr": 0.25, "seed": None})
    assert (recipe.lr, recipe.layer_decay, recipe.seed) == (0.25, 0.5, 0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"rate": 1}', "rate"),
        ('{"lr": "fast"}', "lr"),
        ('{"steps": 1.5}', "steps"),
        ('{"qat": 1}', "qat"),
        ("[1]", "object"),
    ],
)
def test_bad_file_is_refused(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(text)
    with pytest.raises(UserError, match=named):
        Recipe.of(path, {})


def test_only_matrices_decay(tiny_vit: VisionTransformer) -> None:
    optimizer = make_optimizer(Recipe(), tiny_vit)
    for group in optimizer.param_groups:
        assert all((p.ndim >= 2) == (group["weight_decay"] > 0) for p in group["params"]) or any(
            p is tiny_vit.pos_embed or p is tiny_vit.cls_token for p in group["params"]
        )


def test_layer_decay_slows_the_first_layers(tiny_vit: VisionTransformer) -> None:
    optimizer = make_optimizer(Recipe(layer_decay=0.5), tiny_vit)
    scale = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    first, last = tiny_vit.blocks[0].mlp.fc1.weight, tiny_vit.blocks[1].mlp.fc1.weight
    assert scale[id(first)] == scale[id(last)] / 2


def test_learning_rate_rises_and_falls(tiny_vit: VisionTransformer) -> None:
    recipe = Recipe(warmup=0.2)
    optimizer = make_optimizer(recipe, tiny_vit)
    schedule = make_schedule(recipe, optimizer, 100)
    rates = [optimizer.param_groups[0]["lr"]]
    for step in range(1, 101):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    peak = max(range(len(rates)), key=rates.__getitem__)
    assert 15 <= peak <= 25
    assert rates[0] == rates[-1] == pytest.approx(recipe.lr / 100)
