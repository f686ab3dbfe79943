"""The files of a report, in the folder `report` of a run."""

from __future__ import annotations

from pathlib import Path

from hw.artifacts import write_json, write_text
from hw.ir import load_network
from sim.report.build import Report
from sim.report.page import to_html
from sim.report.timeline import draw, mark_of, read_timeline
from sim.report.views import to_csv, to_markdown

FOLDER = "report"


def write_report(folder: Path, report: Report) -> list[Path]:
    """Write `report/report.{json,csv,md,html}` and `report/timeline.svg`; their paths.

    A run whose `timeline.json` was removed has no timeline.

    Raises:
        UserError: when the folder cannot be written, or the timeline is of another run.
    """
    paths = [folder / FOLDER / f"report.{suffix}" for suffix in ("json", "csv", "md", "html")]
    picture = None
    if (folder / "timeline.json").exists():
        path, picture = write_timeline(folder, report)
        paths.append(path)
    write_text(paths[1], to_csv(report))
    write_text(paths[2], to_markdown(report))
    write_text(paths[3], to_html(report, picture))
    write_json(paths[0], report)
    return paths


def write_timeline(folder: Path, report: Report) -> tuple[Path, str]:
    """Write `report/timeline.svg`; its path and its text.

    Raises:
        UserError: when the timeline is missing, damaged or of another run.
    """
    header = report["header"]
    found = read_timeline(folder, header["total_cycles"])
    config = header["config"]
    picture = draw(load_network(folder), found, mark_of(report), config["mem_interval"])
    path = folder / FOLDER / "timeline.svg"
    write_text(path, picture)
    return path, picture
