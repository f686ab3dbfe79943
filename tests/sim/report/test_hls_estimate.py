"""The HLS project's estimated cycles in the report."""

from __future__ import annotations

from pathlib import Path

from hw.hls.estimate import estimate_cycles
from hw.ir import load_network
from sim.report.build import build_report
from sim.report.measured import read_measured
from sim.report.views import summary


def test_every_operation_has_the_estimate_for_its_machine(simulated: Path) -> None:
    network, config = load_network(simulated), read_measured(simulated).config
    rows = {row["name"]: row["hls_cycles_estimate"] for row in build_report(simulated)["rows"]}
    expected = estimate_cycles(network, config)
    assert {name: rows[name] for name in expected} == expected


def test_the_report_calls_it_an_estimate(simulated: Path) -> None:
    report = build_report(simulated)
    assert "estimate" in dict(summary(report["header"]))["HLS project"]
    assert report["definitions"]["hls_cycles_estimate"]["meaning"].startswith("ESTIMATE")
