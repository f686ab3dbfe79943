"""A report from a folder: header, definitions and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw.ir import load_network
from sim.report.header import build_header, definitions
from sim.report.measured import read_measured
from sim.report.rows import build_rows

Report = dict[str, Any]


def build_report(folder: Path) -> Report:
    """The report of the network and the measurement in `folder`, as `schema.json` describes it.

    Raises:
        UserError: when either is missing or damaged, or they do not belong together.
    """
    network = load_network(folder)
    measured = read_measured(folder)
    built = build_rows(network, measured)
    return {
        "header": build_header(network, measured, built),
        "definitions": definitions(),
        "rows": built.rows,
    }
