"""The log of rounds: deviations, stale measurements, and when another round helps."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hw.config import ArrayConfig
from hw.errors import UserError
from prune.loop import Round, log_measurement, read_rounds

CONFIG = asdict(ArrayConfig())


def write(folder: Path, measured: int, report: dict[str, Any] | None = None) -> None:
    """A pruning to 1000 cycles, predicted exactly, and its measurement."""
    entry = {
        "format": 2,
        "budgets": {"cycles": 0.5},
        "optimality": {"binding": {"cycles": True}},
        "target_cycles": 1000,
        "predicted_cycles": 1000,
        "config": CONFIG,
    }
    (folder / "network.json").touch()
    (folder / "pruned.json").write_text(json.dumps(entry | (report or {})))
    (folder / "cycles.json").write_text(
        json.dumps({"total_cycles": measured, "by_op": {}, "config": CONFIG})
    )


def round_of(target: int | None, predicted: int, measured: int, binding: bool = True) -> Round:
    return Round(1, {"cycles" if target else "flops": 0.5}, binding, target, predicted, measured)


def test_rounds_accumulate_with_their_deviation(tmp_path: Path) -> None:
    for measured in (1030, 1005):
        write(tmp_path, measured)
        log_measurement(tmp_path)
    entries = json.loads((tmp_path / "loop.json").read_text())["rounds"]
    assert [entry["round"] for entry in entries] == [1, 2]
    assert [entry["deviation_percent"] for entry in entries] == pytest.approx([3.0, 0.5])
    assert [entry.measured_cycles for entry in read_rounds(tmp_path)] == [1030, 1005]


def test_same_measurement_is_logged_once(tmp_path: Path) -> None:
    write(tmp_path, 1030)
    assert log_measurement(tmp_path) == log_measurement(tmp_path)


@pytest.mark.parametrize(
    ("result", "another"),
    [
        (round_of(1000, 1000, 1010), False),
        (round_of(1000, 1000, 1011), True),
        (round_of(1000, 1000, 989), True),
        (round_of(1000, 950, 950), False),
        (round_of(None, 1000, 2000), False),
        (round_of(1000, 890, 900, binding=False), False),
        (round_of(1000, 990, 1011, binding=False), True),
    ],
    ids=[
        "within 1 %",
        "over",
        "under",
        "prediction exact",
        "budget in FLOPs",
        "under, for another budget",
        "over, beside another budget",
    ],
)
def test_another_round_is_asked_for_when_it_would_help(result: Round, another: bool) -> None:
    assert result.needs_another == another


def test_an_image_says_nothing_about_the_mean_of_selected_tokens(tmp_path: Path) -> None:
    write(tmp_path, 1300, {"selectors": [{"block": 3}]})
    (found,) = log_measurement(tmp_path)
    assert found.deviation_percent == pytest.approx(30.0)
    assert not found.needs_another
    assert read_rounds(tmp_path) == [found]


def test_measurement_older_than_the_network_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1000)
    os.utime(tmp_path / "cycles.json", (1, 1))
    with pytest.raises(UserError, match=r"cycles.json: older than .*; run the simulation again"):
        log_measurement(tmp_path)


def test_measurement_on_another_array_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1000, {"config": asdict(ArrayConfig(rows=32))})
    with pytest.raises(UserError, match="measured on another array"):
        log_measurement(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"total_cycles": "9"}', '{"total_cycles": 0}'])
def test_damaged_measurement_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, 1000)
    (tmp_path / "cycles.json").write_text(text)
    with pytest.raises(UserError, match=r"cycles.json: .*run the simulation again"):
        log_measurement(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"rounds": [{}]}'])
def test_damaged_log_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, 1000)
    (tmp_path / "loop.json").write_text(text)
    with pytest.raises(UserError, match="delete it"):
        log_measurement(tmp_path)


def test_closing_before_pruning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pruned.json: no such file.*prune run"):
        log_measurement(tmp_path)
