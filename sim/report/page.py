"""The report as one HTML page: summary, timeline, rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sim.report.build import Report
from sim.report.columns import COLUMNS
from sim.report.views import notes, shown, summary

_COLUMNS = (
    "name", "unit", "fused_into", "tokens_in", "tokens_kept", "block_density", "cycles_total",
    "hls_cycles_estimate", "busy_cycles", "compute", "weight_wait", "input_wait", "output_wait",
    "fill_drain", "vector", "selector", "control",
    "utilization_overall", "speedup_vs_dense", "sparse_efficiency", "bytes_weight", "bound",
    "energy_uj", "bit_exact",
)  # fmt: skip
_IMAGES = tuple(column.name for column in COLUMNS if column.group == "images")
"""Columns of a run of several images."""
_STYLE = """
body{font:14px sans-serif;margin:2em;color:#222}
table{border-collapse:collapse;font-size:12px;margin:1em 0}
th{position:sticky;top:0;background:#fff;text-align:left}
th,td{padding:2px 8px;border-bottom:1px solid #ddd;white-space:nowrap}
td.n{text-align:right}
tr.vector{color:#777}
.warning{color:#c00;font-weight:bold}
figure{margin:0;overflow-x:auto}
"""


def to_html(report: Report, timeline: str | None) -> str:
    """The page, which needs no other file.

    Args:
        timeline: the SVG of the timeline, where there is one.
    """
    header, rows = report["header"], report["rows"]
    types = {column.name: column.type for column in COLUMNS}
    meanings = {column.name: column.meaning for column in COLUMNS}
    names = (*_COLUMNS, *_IMAGES) if header["images"]["count"] > 1 else _COLUMNS
    heads = "".join(f'<th title="{escape(meanings[n])}">{n}</th>' for n in names)
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{escape(header["model"])}</title>',
        f"<style>{_STYLE}</style><h1>{escape(header['model'])}: cycles per layer</h1>",
        *(_paragraph(note) for note in notes(header)),
        _table(([name, text] for name, text in summary(header)), ("", "")),
    ]
    if timeline is not None:
        parts.append(f"<figure>{timeline}</figure>")
    parts.append(f"<table><tr>{heads}</tr>")
    for row in rows:
        cells = "".join(_cell(shown(row[name]), types[name]) for name in names)
        parts.append(f'<tr class="{row["unit"]}">{cells}</tr>')
    parts += ["</table>", "</html>", ""]
    return "\n".join(parts)


def _paragraph(note: str) -> str:
    kind = ' class="warning"' if note.startswith("WARNING") else ""
    return f"<p{kind}>{escape(note)}</p>"


def _table(lines: Iterable[Sequence[str]], kinds: Sequence[str]) -> str:
    rows = ("".join(map(_cell, line, kinds)) for line in lines)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cell(text: str, kind: str) -> str:
    number = ' class="n"' if kind in ("integer", "number") else ""
    return f"<td{number}>{escape(text)}</td>"
