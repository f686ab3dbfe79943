"""`sweep.md` and `sweep.svg`: the points of a sweep, to read."""

from __future__ import annotations

from pathlib import Path

from hw.artifacts import write_text
from prune.sweep.chart import block_name, draw
from prune.sweep.log import Log
from prune.sweep.table import Table, tables
from prune.views.page import save_svg

_FIGURES = {"top1": "float", "int8_top1": "int8, by the integer reference"}


def write_report(log: Log, out: Path) -> None:
    """Write both files into `out`, of every point that the log holds."""
    write_text(out / "sweep.md", markdown(log))
    measured = tables(log)
    if measured:
        save_svg(draw(measured, _heading(log)), out / "sweep.svg")


def markdown(log: Log) -> str:
    """The tables, with what they were measured on."""
    settings = log.settings
    lines = [
        f"Top-1 in percent without finetuning, by share of the dense cycles. {_heading(log)}, "
        f"weights: {settings['weights_source']}; float model in {settings['precision']} on "
        f"{settings['device']}; calibrated by {settings['images']} images of "
        f"{settings['calibration_source']}, seed {settings['seed']}.",
    ]
    if settings["weights_source"].startswith("random"):
        lines += ["", "The weights are random: these figures mean NOTHING."]
    if any(point.draw for point in log):
        lines[0] += " Mean ± standard deviation over the draws of calibration images."
    for figure, what in _FIGURES.items():
        for table in tables(log, figure):
            lines += ["", *_rows(table, what)]
    if any(point.reason for point in log):
        lines += ["", "`-`: the share cannot be reached; `sweep.json` says why."]
    return "\n".join(lines) + "\n"


def _heading(log: Log) -> str:
    settings = log.settings
    images = f"{settings['test_images']} test images of {settings['test_source']}"
    return f"{settings['model']}, {images}"


def _rows(table: Table, what: str) -> list[str]:
    shares = [f"{100 * share:g} %" for share in table.shares]
    dense = "" if table.dense is None else f"{table.dense:.2f}"
    return [
        f"| {block_name(table.block)}, {what} | {' | '.join(['100 %', *shares])} |",
        "|---|" + "---|" * (len(shares) + 1),
        f"| dense | {dense} |" + " |" * len(shares),
        *(
            f"| {method} | | {' | '.join(str(cells[share]) for share in table.shares)} |"
            for method, cells in table.rows.items()
        ),
    ]
