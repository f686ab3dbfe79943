"""Every layer of a run in figures: on the terminal, as CSV and as Markdown."""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A figure of a layer."""

    title: str
    value: Callable[[Row], Any]
    form: str
    """Format specification."""
    needs: str
    """Key of the report without which there is no such column."""

    def text(self, row: Row) -> str:
        return format(self.value(row), self.form)


def _key(title: str, key: str, form: str) -> Column:
    return Column(title, lambda row: row[key], form, key)


COLUMNS = (
    _key("layer", "name", ""),
    _key("blocks", "blocks_total", ","),
    _key("kept", "blocks_kept", ","),
    Column("density", lambda row: row["blocks_kept"] / row["blocks_total"], ".3f", "blocks_kept"),
    _key("distortion", "distortion", ".3e"),
    _key("cycles before", "dense_cycles", ",.0f"),
    _key("cycles after", "predicted_cycles", ",.0f"),
    _key("uJ before", "dense_energy_uj", ",.3f"),
    _key("uJ after", "predicted_energy_uj", ",.3f"),
)


def columns(rows: Sequence[Row]) -> list[Column]:
    """Those that every layer has a figure for: a model that cannot be compiled has no cycles."""
    return [column for column in COLUMNS if all(row.get(column.needs) is not None for row in rows)]


def csv(rows: Sequence[Row]) -> str:
    """One line a layer, figures as they are; the head names the report's keys."""
    text = StringIO()
    writer = csv_module.writer(text, lineterminator="\n")
    shown = columns(rows)
    writer.writerow("density" if column.title == "density" else column.needs for column in shown)
    for row in rows:
        writer.writerow(column.value(row) for column in shown)
    return text.getvalue()


def markdown(rows: Sequence[Row]) -> str:
    """The table of `csv`, rounded."""
    shown = columns(rows)
    lines = [
        [column.title for column in shown],
        ["---", *["--:"] * (len(shown) - 1)],
        *([column.text(row) for column in shown] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
