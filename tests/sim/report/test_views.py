"""Views hold what the report holds, and the warning about random weights."""

from __future__ import annotations

import csv
import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sim.cli import app
from sim.report.build import Report, build_report
from sim.report.columns import COLUMNS
from sim.report.files import write_report
from sim.report.page import to_html
from sim.report.views import print_report, to_csv, to_markdown
from tests.support import Call

WARNING = "the weights are random"


@pytest.fixture
def report(simulated: Path) -> Report:
    return build_report(simulated)


def printed(report: Report, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_csv_holds_every_value(report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert len(lines) == len(report["rows"])
    for line, row in zip(lines, report["rows"], strict=True):
        for column in COLUMNS:
            value = row[column.name]
            read = {"integer": int, "number": float}.get(column.type, str)
            if value is None:
                assert line[column.name] == ""
            elif column.type == "boolean":
                assert line[column.name] == str(value).lower()
            else:
                assert read(line[column.name]) == value


def test_markdown_has_a_line_for_every_operation_and_column(report: Report) -> None:
    text = to_markdown(report)
    for row in report["rows"]:
        assert f"| {row['layer_id']} | {row['name']} |" in text
    for column in COLUMNS:
        assert f"| {column.name} |" in text


def test_terminal_has_a_whole_line_for_every_operation(report: Report) -> None:
    text = printed(report, 100)
    assert "…" not in text
    for row in report["rows"]:
        assert any(line.split()[:1] == [row["name"]] for line in text.splitlines())


def test_rows_of_a_large_network_fit_100_columns(report: Report) -> None:
    widest = {"name": "blocks.11.attn.softmax", "heads": 12, "m": 197, "tokens_in": 197}
    widest |= {"k": 64, "n": 197}
    cycles = {"cycles_total": 1_234_567, "compute": 1, "output_wait": 1_234_566}
    (qkv,) = [row for row in report["rows"] if row["name"] == "qkv"]
    qkv |= widest | cycles
    assert "…" not in printed(report, 100)


def test_terminal_says_how_much_of_the_vector_unit_is_hidden(report: Report) -> None:
    (row,) = [row for row in report["rows"] if row["name"] == "softmax"]
    hidden = 100 * (1 - row["vector"] / row["busy_cycles"])
    (line,) = [line for line in printed(report, 100).splitlines() if line.startswith(" softmax")]
    assert f"hidden {hidden:.1f}" in line


def test_every_view_warns_of_random_weights(report: Report) -> None:
    views = (to_csv(report), to_markdown(report), to_html(report, None), printed(report, 100))
    for text in (*views, json.dumps(report)):
        assert WARNING in text


def test_every_view_names_the_largest_exposed_piece(report: Report) -> None:
    found = report["header"]["largest_exposed"]
    for text in (to_markdown(report), to_html(report, None), printed(report, 1000)):
        assert f"{found['op']}, {found['kind']}: {found['cycles']:,} cycles" in text


def test_page_needs_no_other_file(simulated: Path, call: Call) -> None:
    call(app, "report", simulated)
    text = (simulated / "report" / "report.html").read_text()
    picture = (simulated / "report" / "timeline.svg").read_text()
    assert picture in text
    assert not any(name in text for name in ("<script", "<link", "<img", "src=", "href="))


def test_page_has_a_line_for_every_operation(report: Report) -> None:
    text = to_html(report, None)
    assert all(f"<td>{row['name']}</td>" in text for row in report["rows"])


def test_command_writes_all_views(simulated: Path, call: Call) -> None:
    assert call(app, "report", simulated) == (0, "")
    names = sorted(path.name for path in (simulated / "report").iterdir())
    assert names == [
        "report.csv", "report.html", "report.json", "report.md", "timeline.svg",
    ]  # fmt: skip


def test_full_disk_leaves_no_half_report(
    report: Report, simulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Path.write_text

    def full(path: Path, text: str, *args: Any, **kwargs: Any) -> int:
        right(path, text[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(Exception, match="No space left on device"):
        write_report(simulated, report)
    assert not list((simulated / "report").iterdir())
