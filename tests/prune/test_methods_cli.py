"""`python -m prune compare-methods` prints Markdown tables and refuses bad input in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw.synth.resources import Resources
from prune.cli import app
from sim.bench.methods import table
from tests.support import Call


def test_tables_are_written(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "unit_resources", lambda name: Resources(lut=1))
    out = tmp_path / "methods.md"
    assert call(app, "compare-methods", "--limit", 8, "--out", out)[0] == 0
    assert out.read_text().startswith("demo, 8 images of bundled Fashion-MNIST.")


def test_missing_data_folder_is_one_line(tmp_path: Path, call: Call) -> None:
    out = tmp_path / "methods.md"
    status, message = call(app, "compare-methods", "--data", tmp_path / "nowhere", "--out", out)
    assert status == 2
    assert message.count("\n") == 1
    assert not out.exists()
