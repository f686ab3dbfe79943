"""`python -m prune accuracy` measures the same images in float and in int8."""

from __future__ import annotations

import json
from pathlib import Path

from prune.cli import app
from tests.support import Call


def test_both_figures_are_written(tmp_path: Path, call: Call) -> None:
    figures = tmp_path / "accuracy.json"
    assert call(app, "accuracy", "demo", "--limit", 40, "--json", figures)[0] == 0
    found = json.loads(figures.read_text())
    assert found["images"] == 40
    assert min(found["float_top1"], found["int8_top1"]) > 0.7


def test_missing_data_folder_is_one_line(tmp_path: Path, call: Call) -> None:
    status, message = call(app, "accuracy", "demo", "--data", tmp_path / "nowhere")
    assert status == 2
    assert message.count("\n") == 1
    assert "nowhere" in message
