"""Two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw.errors import UserError
from hw.ir import save_network
from sim.cli import app
from sim.report.build import build_report
from sim.report.compare import compare, read_report
from tests.support import SMALL, Call, small_network


def test_run_equals_itself(simulated: Path) -> None:
    report = build_report(simulated)
    comparison = compare(report, report)
    assert {row["cycles_total"]["ratio"] for row in comparison["rows"]} <= {1.0, None}
    assert {values["ratio"] for values in comparison["totals"].values()} == {1.0}


def test_mean_over_the_images_is_compared(selected: Path) -> None:
    report = build_report(selected)
    slower = build_report(selected)
    slower["header"]["images"]["cycles_mean"] *= 2
    totals = compare(report, slower)["totals"]
    assert totals["mean_cycles"]["ratio"] == 0.5
    assert totals["total_cycles"]["ratio"] == 1


def test_other_geometry_is_compared_layer_by_layer(
    simulated: Path, network_folder: Path, call: Call
) -> None:
    save_network(small_network(tokens=37), network_folder)
    call(app, "run", network_folder, *SMALL, "--latency", 400)
    comparison = compare(build_report(simulated), build_report(network_folder))
    assert comparison["b"]["config"]["mem_latency"] == 400
    first = comparison["rows"][0]["cycles_total"]
    assert first["b"] > first["a"]
    assert first["ratio"] == pytest.approx(first["a"] / first["b"])


def test_layer_of_one_run_only_stays(simulated: Path) -> None:
    a, b = build_report(simulated), build_report(simulated)
    b["rows"] = [row for row in b["rows"] if row["name"] != "fc2"]
    (row,) = [row for row in compare(a, b)["rows"] if row["name"] == "fc2"]
    assert row["cycles_total"]["a"] > 0
    assert row["cycles_total"]["b"] is row["cycles_total"]["ratio"] is None


def test_folder_and_report_file_are_the_same_run(simulated: Path, call: Call) -> None:
    call(app, "report", simulated)
    path = simulated / "report" / "report.json"
    assert read_report(path) == json.loads(json.dumps(read_report(simulated)))


def test_command_prints_and_writes_the_comparison(
    simulated: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "comparison.json"
    assert call(app, "report", simulated, simulated, "--json", out) == (0, "")
    assert json.loads(out.read_text())["totals"]["total_cycles"]["ratio"] == 1
    assert not (simulated / "report").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "not a report"),
        ("[1]", "not a report"),
        ("{", "cut short"),
        ('{"header": {"schema_version": 0}, "rows": [{"name": "x"}]}', "schema version 0"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(UserError, match=said):
        read_report(path)
