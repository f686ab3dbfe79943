"""EViT and ToMe at shares of the cycles, from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hw.errors import UserError
from prune.cli import app
from prune.tokens import compare


def compared(file: Path) -> str:
    arguments = ["compare-tokens", "demo", "--limit", "20", "--cycles", "0.8", "--json", str(file)]
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_every_method_has_a_figure_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.json"
    shown = compared(file)
    figures = json.loads(file.read_text())
    assert [name.split()[0] for name in figures["points"]] == ["evit", "tome"]
    assert "evit" in shown and "tome" in shown
    monkeypatch.setattr("prune.cli.compare_tokens.top1", None)
    assert compared(file) == shown


def test_figures_of_other_images_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"model": "deit_s", "dense": 0.9, "points": {}}))
    with pytest.raises(UserError, match="figures with model deit_s, expected demo"):
        compared(file)


def test_settings_are_named() -> None:
    evit = compare.Choice(compare.EViT({1: 0.5, 2: 0.5}), 0.8, 0.79)
    tome = compare.Choice(compare.ToMe((2, 1)), 0.8, 0.79)
    assert (evit.name, evit.settings) == ("evit", "50% at blocks 1, 2")
    assert (tome.name, tome.settings) == ("tome", "merged 2, 1")
