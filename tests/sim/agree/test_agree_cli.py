"""`python -m sim agree`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.agree import EXECUTORS
from sim.cli import app
from tests.sim.agree.test_compare import Wrong, opening
from tests.support import SMALL, Call

DEMO = Path(__file__).parents[2] / "golden" / "demo"


def test_pruned_demo_is_one_network_in_four_executors(tmp_path: Path, call: Call) -> None:
    table = tmp_path / "table.json"
    assert call(app, "agree", DEMO, "--images", 2, "--json", table)[0] == 0
    found = {entry["executor"]: entry["equal"] for entry in json.loads(table.read_text())}
    assert found == {"reference": 2, "onnx": 2, "hls": 2, "rtl": 2}


def test_difference_is_an_error(
    network_folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXECUTORS, "onnx", opening(Wrong))
    run = ("agree", network_folder, "--images", 2, "--skip", "hls,rtl", *SMALL)
    status, message = call(app, *run)
    assert status == 1 and "error: random, onnx: " in message


def test_unknown_executor_is_one_line(network_folder: Path, call: Call) -> None:
    status, message = call(app, "agree", network_folder, "--skip", "verilog")
    assert status == 2
    assert message == "error: --skip verilog: expected some of onnx, hls, rtl\n"
