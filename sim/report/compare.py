"""Two reports side by side, layer by layer, also of other layers or another geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from hw.artifacts import read_json
from hw.errors import UserError
from sim.report.build import Report, build_report
from sim.report.columns import SCHEMA_VERSION

Comparison = dict[str, Any]
_COMPARED = ("cycles_total", "block_density", "utilization_overall")
_TOTALS = (
    "total_cycles",
    "dense_cycles",
    "speedup_vs_dense",
    "latency_ms",
    "images_per_s",
    "effective_gops",
    "macs_effective",
    "utilization_array_pct",
    "utilization_effective_pct",
    "utilization_linear_pct",
    "energy_uj",
)


def read_report(path: Path) -> Report:
    """The report of a folder, built anew from its measurement, or the one in a `report.json`.

    Raises:
        UserError: when there is none, or it is of another schema version.
    """
    if path.is_dir():
        return build_report(path)
    remedy = "run `python -m sim report` again"
    report = read_json(path, "a report.json or the folder of a run", remedy)
    try:
        version = report["header"]["schema_version"]
        report["rows"][0]["name"]
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(f"{path}: not a report; {remedy}") from error
    if version != SCHEMA_VERSION:
        raise UserError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}; {remedy}")
    return report


def compare(a: Report, b: Report) -> Comparison:
    """Cycles, density and utilization of every operation of either report, matched by name.

    `ratio` is a's value over b's, so a ratio of cycles above 1 says that b is faster; null where an
    operation is in one report only, or b's value is 0. `mean_cycles` is over all images of a run,
    all else of its first one.
    """
    by_name = [{row["name"]: row for row in report["rows"]} for report in (a, b)]
    names = list(dict.fromkeys([*by_name[0], *by_name[1]]))
    rows = []
    for name in names:
        pair = [rows_of.get(name) for rows_of in by_name]
        row: dict[str, Any] = {"name": name, "op": next(r["op"] for r in pair if r)}
        for column in _COMPARED:
            values = [None if r is None else r[column] for r in pair]
            row[column] = {"a": values[0], "b": values[1], "ratio": _ratio(*values)}
        rows.append(row)
    headers = (a["header"], b["header"])
    totals = [_totals(header) for header in headers]
    return {
        "schema_version": SCHEMA_VERSION,
        "a": _identity(headers[0]),
        "b": _identity(headers[1]),
        "totals": {
            name: {
                "a": totals[0][name],
                "b": totals[1][name],
                "ratio": _ratio(totals[0][name], totals[1][name]),
            }
            for name in totals[0]
        },
        "rows": rows,
    }


def _totals(header: dict[str, Any]) -> dict[str, float]:
    return {"mean_cycles": header["images"]["cycles_mean"]} | {n: header[n] for n in _TOTALS}


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b


def _identity(header: dict[str, Any]) -> dict[str, Any]:
    names = ("model", "weights_source", "method", "budgets", "config")
    return {name: header[name] for name in names} | {"warning": header.get("warning")}


def _label(side: dict[str, Any]) -> str:
    config = side["config"]
    shares = (side["budgets"] or {}).items()
    budget = "".join(f", {unit} {share:g}" for unit, share in shares)
    return (
        f"{side['model']}, {config['rows']}x{config['cols']} at {config['clock_mhz']:g} MHz"
        f"{budget}, weights: {side['weights_source']}"
    )


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Operations with cycles on either side, then the totals."""
    for side in ("a", "b"):
        console.print(f"{side}: {_label(comparison[side])}", highlight=False, markup=False)
    layers = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    layers.add_column("layer")
    for name in ("cycles a", "cycles b", "a / b", "kept a", "kept b", "util a %", "util b %"):
        layers.add_column(name, justify="right", no_wrap=True)
    for row in comparison["rows"]:
        cycles, density, used = (row[column] for column in _COMPARED)
        layers.add_row(
            row["name"],
            *(_cell(cycles[side], ",.0f") for side in "ab"),
            _cell(cycles["ratio"], ".3f"),
            *(_cell(density[side], ".3f") for side in "ab"),
            *(_cell(used[side], ".1f") for side in "ab"),
        )
    console.print(layers)
    totals = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("total", "a", "b", "a / b"):
        totals.add_column(name, justify="left" if name == "total" else "right", no_wrap=True)
    for name, values in comparison["totals"].items():
        digits = ",.0f" if isinstance(values["a"], int) else ",.3f"
        sides = (_cell(values[side], digits) for side in "ab")
        totals.add_row(name, *sides, _cell(values["ratio"], ".3f"))
    console.print(totals)
    for side in ("a", "b"):
        if comparison[side]["warning"]:
            console.print(f"WARNING ({side}): {comparison[side]['warning']}.", style="bold red")


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
