"""Timing fewer tokens against all of them."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from prune.cli import app
from prune.tokens import recording
from prune.tokens.latency import measure, set_rates_, variants
from tests.prune.tokens.small import images, plain, selective


@torch.no_grad()
def test_rates_hold_over_the_images() -> None:
    model = selective(positions=(1, 3))
    set_rates_(model, images(model), {1: 0.75, 3: 0.5})
    with recording(model) as record:
        model(images(model))
    assert record[1].keep.mean() == pytest.approx(0.75, abs=0.01)
    assert record[3].keep.mean() == pytest.approx(0.375, abs=0.01)


def test_methods_end_with_about_as_many_tokens() -> None:
    model = plain()
    found = list(measure(model, images(model), 0.7, rounds=1))
    assert [latency.method for latency in found] == ["selectors", "evit", "tome"]
    assert all(10 < latency.tokens[-1] < 17 for latency in found)


def test_methods_that_the_model_does_not_allow_are_left_out() -> None:
    model = plain("registers and mean")
    assert set(variants(model, images(model), 0.5)) == {"selectors", "tome"}


def test_command_prints_and_writes_a_row_a_method(tmp_path: Path) -> None:
    file = tmp_path / "latency.json"
    options = ["--keep", "0.5", "--batch", "1,2", "--rounds", "1", "--json", str(file)]
    result = CliRunner().invoke(app, ["latency", "demo", *options])
    assert result.exit_code == 0
    rows = json.loads(file.read_text())["runs"]
    assert [(row["method"], row["batch"]) for row in rows[:4]] == [
        ("selectors", 1),
        ("evit", 1),
        ("tome", 1),
        ("selectors", 2),
    ]
    assert all(row["ratio"] > 0 and row["method"] in result.output for row in rows)


@pytest.mark.parametrize("wrong", [["--keep", "0.5,2"], ["--keep", "x"], ["--batch", "0"]])
def test_unusable_numbers_are_refused(wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["latency", "demo", *wrong])
    assert result.exit_code != 0 and wrong[1] in str(result.exception)
