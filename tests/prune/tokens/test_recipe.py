"""The settings of a training of selectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.errors import UserError
from prune.tokens.recipe import TokenRecipe, make_token_optimizer
from tests.prune.tokens.small import selective


def test_selectors_have_a_learning_rate_of_their_own() -> None:
    model = selective(positions=(2,))
    recipe = TokenRecipe(lr=1e-5, selector_lr=1e-3)
    scale = {
        id(parameter): group["lr_scale"]
        for group in make_token_optimizer(recipe, model).param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        wanted = 100.0 if name.startswith("selectors.") else 1.0
        assert scale[id(parameter)] == pytest.approx(wanted), name


def test_biases_and_norms_do_not_decay() -> None:
    model = selective(positions=(2,))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in make_token_optimizer(TokenRecipe(), model).param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            still = name.endswith("bias") or ".norm" in name or name.startswith("norm")
            assert (group["weight_decay"] == 0) == still, name


@pytest.mark.parametrize(
    "changes",
    [{"cycles": 0.0}, {"cycles": 1.5}, {"freeze": -0.1}, {"phases": 0}, {"keep_weight": -1.0}],
    ids=str,
)
def test_bad_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(changes))):
        TokenRecipe(**changes)


def test_file_gives_settings_that_options_overrule(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"warm": 0.2, "cycles": 0.9, "mixup": 0.1}')
    recipe = TokenRecipe.of(path, {"cycles": 0.5, "lr": None})
    assert (recipe.warm, recipe.cycles, recipe.mixup) == (0.2, 0.5, 0.1)


def test_unknown_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"keep": 1}')
    with pytest.raises(UserError, match="no field 'keep'"):
        TokenRecipe.of(path, {})
