"""The table and the picture of a sweep."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.text import Text

from prune.sweep import chart, write_report
from prune.sweep.log import Log, Point
from prune.sweep.table import Cell, tables

SETTINGS = {
    "model": "demo", "weights_source": "bundled demo", "precision": "fp32", "device": "cpu",
    "images": 16, "calibration_source": "images", "seed": 0, "test_images": 100,
    "test_source": "others",
}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Ten methods that end close together, one with two draws, one that does not reach 30 %."""
    log = Log(tmp_path / "sweep.json", SETTINGS)
    log.dense = {"top1": 0.9, "int8_top1": None}
    for number in range(10):
        for block in ((32, 32), (16, 16)):
            for share in (0.5, 0.3):
                for draw in range(2 if number == 3 else 1):
                    top1 = 0.1 + share + 0.001 * number + 0.02 * draw
                    figure = None if (number, share) == (7, 0.3) else top1
                    name = f"method-{number}"
                    log.add(Point(block, name, f"{name}()", draw, "0", share, figure))
    return log


def test_cell_is_mean_and_sample_deviation_over_draws() -> None:
    assert str(Cell.of([0.8, 0.9])) == "85.00 ± 7.07"
    assert str(Cell.of([0.8])) == "80.00"
    assert str(Cell.of([])) == "-"


def test_tables_sort_blocks_up_and_shares_down(log: Log) -> None:
    found = tables(log)
    assert [table.block for table in found] == [(16, 16), (32, 32)]
    assert found[0].shares == (0.5, 0.3)
    assert found[0].rows["method-3"][0.5].mean == pytest.approx(61.3)
    assert found[0].rows["method-7"][0.3].mean is None


def test_table_of_a_figure_that_was_not_measured_is_left_out(log: Log) -> None:
    assert tables(log, "int8_top1") == []


def test_every_markdown_row_has_as_many_cells_as_its_head(log: Log, tmp_path: Path) -> None:
    write_report(log, tmp_path)
    rows = [line for line in (tmp_path / "sweep.md").read_text().splitlines() if "|" in line]
    assert {row.count("|") for row in rows} == {5}
    assert len(rows) == 2 * (2 + 1 + 10)


def test_same_points_give_the_same_picture(log: Log, tmp_path: Path) -> None:
    write_report(log, tmp_path / "a")
    write_report(log, tmp_path / "b")
    first, second = ((tmp_path / name / "sweep.svg").read_bytes() for name in "ab")
    assert first == second


def test_labels_neither_overlap_nor_leave_the_picture(log: Log) -> None:
    figure = chart.draw(tables(log), "ten methods")
    figure.draw_without_rendering()
    for axes, end in pairwise([*figure.axes, figure]):
        boxes = sorted(map(Text.get_window_extent, axes.texts), key=lambda box: box.y0)
        assert len(boxes) == 11
        assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))
        right = figure.bbox.x1 if end is figure else end.bbox.x0
        assert max(box.x1 for box in boxes) < right
