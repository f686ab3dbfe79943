"""The timeline: bars where the units were at work, in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hw.ir import load_network
from sim.cli import app
from sim.report.build import build_report
from sim.report.timeline import (
    LANES,
    Mark,
    Span,
    Timeline,
    draw,
    first_block,
    mark_of,
    merge,
    read_timeline,
)
from tests.support import Call, small_network

SVG = "{http://www.w3.org/2000/svg}"


def titles(picture: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(picture).iter(f"{SVG}title")]


def drawn(folder: Path) -> str:
    report = build_report(folder)
    found = read_timeline(folder, report["header"]["total_cycles"])
    return draw(load_network(folder), found, mark_of(report))


def test_neighbours_of_one_operation_are_one_bar() -> None:
    spans = [Span("a", 0, 9), Span("a", 12, 20), Span("a", 31, 40), Span("b", 41, 50)]
    assert merge(spans, 2) == [Span("a", 0, 20), Span("a", 31, 40), Span("b", 41, 50)]


def test_every_operation_that_worked_has_a_bar(simulated: Path) -> None:
    said = titles(drawn(simulated))
    for op in load_network(simulated).ops:
        assert any(text.startswith(f"{op.name}: cycles ") for text in said)


def test_bars_lie_inside_the_picture(simulated: Path) -> None:
    root = ElementTree.fromstring(drawn(simulated))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for bar in root.findall(f"{SVG}rect"):
        if bar.get("x"):
            x, y, w, h = (float(bar.get(n, 0)) for n in ("x", "y", "width", "height"))
            assert x >= 0 and x + w <= width and y >= 0 and y + h <= height


def test_bar_is_as_long_as_its_cycles() -> None:
    network = small_network()
    lanes = {lane: () for lane in LANES} | {"array": (Span("qkv", 250, 499),)}
    timeline = Timeline(1000, lanes, (), (), 1024)
    root = ElementTree.fromstring(draw(network, timeline, Mark("", {}, "")))
    (bar,) = [
        bar
        for bar in root.iter(f"{SVG}rect")
        if (title := bar.find(f"{SVG}title")) is not None and title.text == "qkv: cycles 250 to 499"
    ][:1]
    assert float(bar.get("x", 0)) == 110 + 1400 / 4
    assert float(bar.get("width", 0)) == 1400 / 4


def test_first_block_is_enlarged(simulated: Path) -> None:
    network = load_network(simulated)
    total = build_report(simulated)["header"]["total_cycles"]
    first, last = first_block(network, read_timeline(simulated, total)) or (0, 0)
    assert f"the first encoder block: cycles {first:,} to {last:,}" in drawn(simulated)


def test_largest_exposed_piece_is_marked(simulated: Path) -> None:
    found = build_report(simulated)["header"]["largest_exposed"]
    text = drawn(simulated)
    assert f"largest exposed piece: {found['op']}" in text
    assert f"{found['cycles']:,} cycles" in text and f"most in {found['worst_row']}" in text


def test_long_run_stays_small() -> None:
    network = small_network()
    names = [op.name for op in network.ops]
    spans = tuple(
        Span(names[n // 40 % len(names)], 1800 * n, 1800 * n + 1500) for n in range(10_000)
    )
    timeline = Timeline(18_000_000, dict.fromkeys(LANES, spans), (), (500,) * 17_579, 1024)
    assert len(draw(network, timeline, Mark("", {}, ""))) < 2_000_000


def test_command_writes_the_timeline(simulated: Path, call: Call) -> None:
    assert call(app, "timeline", simulated)[0] == 0
    text = (simulated / "report" / "timeline.svg").read_text()
    assert text == drawn(simulated)
    assert [path.name for path in (simulated / "report").iterdir()] == ["timeline.svg"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry.update(format=1), "not a timeline of format 3"),
        (lambda entry: entry.update(total_cycles=7), "of a run of 7 cycles"),
        (lambda entry: entry.pop("waits"), "damaged"),
        (lambda entry: entry["array"].append([1]), "damaged"),
        (lambda entry: entry["array"].append([10**6, 1, 2]), "damaged"),
    ],
)
def test_wrong_timeline_is_one_line(
    simulated: Path, call: Call, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    path = simulated / "timeline.json"
    entry = json.loads(path.read_text())
    change(entry)
    path.write_text(json.dumps(entry))
    status, printed = call(app, "timeline", simulated)
    assert status == 2
    assert said in printed and printed.count("\n") == 1
    assert not (simulated / "report").exists()


def test_missing_timeline_is_one_line(simulated: Path, call: Call) -> None:
    (simulated / "timeline.json").unlink()
    status, printed = call(app, "timeline", simulated)
    assert status == 2
    assert "timeline.json: no such file" in printed
