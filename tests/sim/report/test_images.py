"""Reports of several images: tokens and cycles of each operation over all of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hw.errors import UserError
from hw.ir import load_network
from sim.images import input_images
from sim.live import tensor_tokens
from sim.reference import live_counts, run
from sim.report.build import Report, build_report
from sim.report.page import to_html
from sim.report.views import print_report, to_markdown


@pytest.fixture
def report(selected: Path) -> Report:
    return build_report(selected)


def row_of(report: Report, name: str) -> dict[str, Any]:
    (row,) = [row for row in report["rows"] if row["name"] == name]
    return row


def measured(folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((folder / "cycles.json").read_text())
    return entry


def test_images_keep_different_numbers_of_tokens(selected: Path) -> None:
    images = measured(selected)["images"]
    assert len({tuple(image["live"].values()) for image in images}) == 3
    assert len({image["total_cycles"] for image in images}) == 3


def test_every_image_takes_the_cycles_of_the_model(selected: Path) -> None:
    for image in measured(selected)["images"]:
        assert image["total_cycles"] == image["cycles_model"] == sum(image["cycles"].values())


def test_tokens_are_those_of_the_reference(selected: Path, report: Report) -> None:
    network = load_network(selected)
    images = input_images(network.image, "0", 3)
    tokens = [
        tensor_tokens(network, live_counts(run(network, image.patches).selections[0]))
        for image in images
    ]
    for op in network.ops:
        row = row_of(report, op.name)
        for column, tensor in (("tokens_in", op.inputs[0]), ("tokens_kept", op.output)):
            found = [of_image[tensor] for of_image in tokens]
            assert row[column] == found[0]
            assert [row[f"{column}_{figure}"] for figure in ("min", "mean", "max")] == [
                min(found),
                pytest.approx(sum(found) / 3),
                max(found),
            ]


def test_cycles_are_those_of_the_images(selected: Path, report: Report) -> None:
    images = measured(selected)["images"]
    for row in report["rows"]:
        if row["fused_into"]:
            continue
        found = [image["cycles"][row["name"]] for image in images]
        assert row["cycles_total"] == found[0]
        assert (row["cycles_min"], row["cycles_max"]) == (min(found), max(found))
        assert row["cycles_mean"] == pytest.approx(sum(found) / 3)


def test_header_has_the_totals_of_the_images(selected: Path, report: Report) -> None:
    totals = [image["total_cycles"] for image in measured(selected)["images"]]
    assert report["header"]["images"] == {
        "count": 3,
        "cycles_min": min(totals),
        "cycles_mean": pytest.approx(sum(totals) / 3),
        "cycles_max": max(totals),
    }


def test_waiting_for_a_selection_is_a_kind_of_its_own(report: Report) -> None:
    for row in report["rows"]:
        assert (row["selector"] > 0) == (row["op"] == "token_select")


def test_selectors_are_summed_up(report: Report) -> None:
    rows = [row for row in report["rows"] if row["name"].startswith("selectors.")]
    found = report["header"]["selectors"]
    assert found["rows"] == len(rows)
    assert found["cycles_total"] == sum(row["cycles_total"] for row in rows)


def test_dropped_tokens_are_skipped_work(report: Report) -> None:
    row = row_of(report, "blocks.1.fc1")
    assert row["tokens_in"] < row["m"]
    assert row["macs_dense"] == row["m"] * row["k"] * row["n"]
    assert row["macs_effective"] <= row["tokens_in"] * row["k"] * row["n"]


def test_tables_of_selectors_have_names_of_their_own(report: Report) -> None:
    names = [row["name"] for row in report["rows"]]
    assert len(set(names)) == len(names)
    assert row_of(report, "selectors.0.keep.act")["op"] == "sigmoid"
    assert row_of(report, "selectors.0.mix.act")["op"] == "gelu"


def test_minimum_mean_and_maximum_are_printed(report: Report) -> None:
    console = Console(file=io.StringIO(), width=120)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    row = row_of(report, "blocks.1.fc1")
    figures = [row[f"tokens_in_{figure}"] for figure in ("min", "mean", "max")]
    assert f"{figures[0]} / {figures[1]:.1f} / {figures[2]}" in console.file.getvalue()


def test_views_hold_the_figures_over_the_images(report: Report) -> None:
    assert "| tokens_kept_mean |" in to_markdown(report)
    assert ">tokens_kept_mean</th>" in to_html(report, None)


def test_image_that_does_not_sum_up_is_refused(selected: Path) -> None:
    entry = measured(selected)
    entry["images"][1]["total_cycles"] += 1
    (selected / "cycles.json").write_text(json.dumps(entry))
    with pytest.raises(UserError, match="image 2"):
        build_report(selected)
