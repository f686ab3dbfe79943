"""`python -m prune tokens`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from prune.cli import app
from tests.support import Call

FEW = {
    "batch_size": 16,
    "held_out": 0.25,
    "search_images": 8,
    "threshold_images": 8,
    "precision": "no",
}


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A recipe of few images."""
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(FEW))
    return path


def test_model_without_pruning_gets_selectors(
    class_folder: Path, few: Path, tmp_path: Path, call: Call
) -> None:
    out, figures = tmp_path / "out", tmp_path / "accuracy.json"
    run = ("tokens", "demo", "--data", class_folder, "--out", out, "--cycles", 0.75)
    assert call(app, *run, "--steps", 1, "--recipe", few, "--workers", 0) == (0, "")
    report = json.loads((out / "pruned.json").read_text())
    assert report["budgets"] == {"cycles": 0.75} and report["selectors"]
    assert all(row["blocks_kept"] == row["blocks_total"] for row in report["layers"])
    assert call(app, "accuracy", out, "--limit", 4, "--json", figures)[0] == 0
    assert json.loads(figures.read_text())["images"] == 4


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--cycles", 1.5), id="cycles"),
        pytest.param(("--cycles", 0.7, "--phases", 0), id="phases"),
        pytest.param(("--cycles", 0.7, "--selector-lr", 0), id="selector_lr"),
    ],
)
def test_bad_setting_is_one_line(
    options: tuple[object, ...],
    class_folder: Path,
    tmp_path: Path,
    call: Call,
    request: pytest.FixtureRequest,
) -> None:
    run = ("tokens", "demo", "--data", class_folder, "--out", tmp_path / "out")
    status, message = call(app, *run, *options)
    assert status == 2 and message.count("\n") == 1
    assert request.node.callspec.id in message
    assert not (tmp_path / "out").exists()


def test_missing_images_are_one_line(tmp_path: Path, call: Call) -> None:
    missing = tmp_path / "none"
    run = ("tokens", "demo", "--data", missing, "--out", tmp_path / "out", "--cycles", 0.7)
    status, message = call(app, *run)
    assert status == 2 and str(missing) in message and message.count("\n") == 1


def test_selectors_get_another_budget(
    selected: Path, class_folder: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "out"
    run = ("retarget", selected, "--data", class_folder, "--out", out, "--cycles", 0.46)
    assert call(app, *run) == (0, "")
    before, after = (json.loads((f / "pruned.json").read_text()) for f in (selected, out))
    assert after["budgets"] == {"cycles": 0.46}
    assert before["predicted_cycles"] < after["predicted_cycles"] <= after["target_cycles"]
    assert after["tokens"]["levels"]["mean_cycles"] <= after["target_cycles"]
    weights = [load_file(folder / "pruned.safetensors") for folder in (selected, out)]
    for name, tensor in weights[0].items():
        assert name.endswith("_extra_state") or np.array_equal(tensor, weights[1][name])


def test_run_without_selectors_cannot_be_retargeted(
    pruned_demo: Path, class_folder: Path, tmp_path: Path, call: Call
) -> None:
    run = ("retarget", pruned_demo, "--data", class_folder, "--cycles", 0.5)
    status, message = call(app, *run, "--out", tmp_path / "out")
    assert status == 2 and "no selectors were trained here" in message
    assert not (tmp_path / "out").exists()
