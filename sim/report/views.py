"""Views of a report: CSV, Markdown and a terminal table. The JSON is the report itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sim.report.build import Report
from sim.report.columns import COLUMNS, CYCLES, GROUPS, OVER_IMAGES
from sim.report.resources import describe

TERMINAL_WIDTH = 100
"""Columns of the table where there is no terminal to ask."""
_MAIN = (
    "layer",
    "unit",
    "m x k x n",
    "kept",
    "cycles",
    "err %",
    "util %",
    "waits %",
    "gain",
    "eff",
)
_WAITS = tuple(kind for kind in CYCLES if kind != "compute")
_KEYS = ("layer_id", "name")


def to_csv(report: Report) -> str:
    """A line a row, with the weights' source and the warning about them on every line."""
    header = report["header"]
    constant = {"weights_source": header["weights_source"], "warning": header.get("warning")}
    text = io.StringIO()
    names = [column.name for column in COLUMNS]
    writer = csv.DictWriter(text, [*names, *constant], lineterminator="\n")
    writer.writeheader()
    for row in report["rows"]:
        writer.writerow({name: _exact(value) for name, value in (row | constant).items()})
    return text.getvalue()


def _exact(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def shown(value: Any) -> str:
    """A value for reading: thousands separated, four digits of a fraction, empty for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4f}"
    return str(value)


def summary(header: dict[str, Any]) -> list[tuple[str, str]]:
    """The header's figures by name, for reading."""
    config, shares = header["config"], header["linear_cycles_pct"]
    simulation, bottleneck = header["simulation"], header["bottleneck"]
    lost = sorted(((v, k) for k, v in shares.items() if k != "working" and v), reverse=True)
    exposed, vector = header["largest_exposed"], header["vector"]
    parts = sorted(((v, k) for k, v in header["energy_by_part_uj"].items()), reverse=True)
    geometry = f"{config['rows']}x{config['cols']} at {config['clock_mhz']:g} MHz"
    rate = config["mem_bytes"] / config["mem_interval"]
    memory = f"{rate:g} bytes/cycle after {header['conditions']['latency']} cycles"
    images, selectors = header["images"], header["selectors"]
    several = (
        "images",
        f"{images['count']}: {images['cycles_min']:,} to {images['cycles_max']:,} cycles, mean "
        f"{images['cycles_mean']:,.0f}; all other figures are of {header['image']['source']}",
    )
    selecting = (
        "selectors",
        f"{selectors['cycles_total']:,} cycles, {selectors['share_pct']:.2f} %",
    )
    return [
        ("model", f"{header['model']}, weights: {header['weights_source']}"),
        ("array", f"{geometry}, {header['dataflow']}; memory {memory}"),
        (
            "total",
            f"{header['total_cycles']:,} cycles (cycle model {header['cycles_model']:,}, "
            f"error {header['model_error_pct']:.2f} %)",
        ),
        *((several,) if images["count"] > 1 else ()),
        *((selecting,) if selectors["rows"] else ()),
        (
            "dense",
            f"{header['dense_cycles']:,} cycles by the model: {header['speedup_vs_dense']:.2f} "
            "times faster",
        ),
        (
            "HLS project",
            f"{header['hls_cycles_estimate']:,} cycles: an estimate from its loops, not measured",
        ),
        (
            "speed",
            f"{header['latency_ms']:.3f} ms, {header['images_per_s']:.1f} images/s, "
            f"{header['effective_gops']:.1f} effective Gop/s",
        ),
        (
            "utilization",
            f"{header['utilization_effective_pct']:.2f} % of the whole run by kept MACs, "
            f"{header['utilization_array_pct']:.2f} % counting removed ones too; "
            f"{header['utilization_linear_pct']:.2f} % over linear layers",
        ),
        (
            "lost in linear",
            ", ".join(f"{kind} {value:.2f} %" for value, kind in lost) or "nothing",
        ),
        (
            "bottleneck",
            f"{bottleneck['name']}: {bottleneck['cycles_total']:,} cycles, "
            f"{bottleneck['share_pct']:.1f} %",
        ),
        (
            "most exposed",
            f"{exposed['op']}, {exposed['kind']}: {exposed['cycles']:,} cycles, "
            f"{exposed['share_pct']:.2f} %, most of them in {exposed['worst_row']}",
        ),
        (
            "vector unit",
            f"busy {vector['busy_cycles']:,} cycles; the array waits {vector['exposed_cycles']:,} "
            "cycles for it",
        ),
        (
            "energy",
            f"{header['energy_uj']:,.1f} uJ: "
            + ", ".join(f"{name} {value:,.1f}" for value, name in parts),
        ),
        (
            "rows",
            f"{vector['rows']} on the vector unit, {header['rows_fused']} fused; every value that "
            f"the machine wrote is {'exact' if header['bit_exact'] else 'NOT exact'}",
        ),
        ("resources", describe(header["resources"])),
        (
            "simulation",
            "{seconds:.1f} s at {khz:.0f} kHz, {wall_seconds:.1f} s in all, "
            "{build_seconds:.1f} s of them for the build".format(**simulation),
        ),
        ("configuration", f"{header['config_digest']}, network {header['network_digest']}"),
        ("tools", ", ".join(f"{name} {version}" for name, version in header["tools"].items())),
    ]


def notes(header: dict[str, Any]) -> list[str]:
    """What has to be said with the figures, a warning first."""
    warning = [f"WARNING: {header['warning']}."] if "warning" in header else []
    return [*warning, *header["notes"]]


def _markdown_table(names: Sequence[str], lines: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for line in lines:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"


def to_markdown(report: Report) -> str:
    """The whole report for reading: summary, a table a group of columns, definitions."""
    header, rows = report["header"], report["rows"]
    lines = [f"# {header['model']}: cycles per layer", ""]
    lines += [f"{note}\n" for note in notes(header)]
    lines += [*_markdown_table(("", ""), iter(summary(header))), ""]
    for group in GROUPS:
        names = [c.name for c in COLUMNS if c.group == group and c.name not in _KEYS]
        names = [*_KEYS, *names]
        cells = ([shown(row[name]) for name in names] for row in rows)
        lines += [f"## {group.capitalize()}", "", *_markdown_table(names, cells), ""]
    terms = report["definitions"].items()
    cells = ([name, entry["unit"], entry["meaning"]] for name, entry in terms)
    lines += ["## Definitions", "", *_markdown_table(("name", "unit", "meaning"), cells), ""]
    return "\n".join(lines)


def print_report(report: Report, console: Console) -> None:
    """Main columns and summary on the terminal.

    `err %` is the cycle model's error, `waits %` the share of cycles in which no token enters, with
    the largest cause, or the share of the vector unit's busy cycles in which the array did not wait
    for it (`hidden`); `gain` is the speedup over dense, `eff` the sparse efficiency. `m x k x n` is
    of the tokens that are left.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name in _MAIN:
        table.add_column(name, justify="left" if name in _MAIN[:2] else "right", no_wrap=True)
    for row in report["rows"]:
        table.add_row(*_main_cells(row), style="dim" if row["unit"] == "vector" else None)
    console.print(table)
    if report["header"]["images"]["count"] > 1:
        console.print(_images_table(report["rows"]))
    figures = Table.grid(padding=(0, 2))
    for name, text in summary(report["header"]):
        figures.add_row(name, text)
    console.print(figures, highlight=False)
    for note in notes(report["header"]):
        style = "bold red" if note.startswith("WARNING") else "dim"
        console.print(note, style=style, highlight=False, markup=False)


def _images_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Tokens and cycles of every operation over the images: minimum, mean, maximum."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("layer", no_wrap=True)
    for name in OVER_IMAGES:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for row in rows:
        if not row["fused_into"]:
            table.add_row(row["name"], *(_over_images(row, name) for name in OVER_IMAGES))
    return table


def _over_images(row: dict[str, Any], name: str) -> str:
    least, mean, most = (row[f"{name}_{figure}"] for figure in ("min", "mean", "max"))
    if least is None:
        return ""
    return f"{least:,}" if least == most else f"{least:,} / {mean:,.1f} / {most:,}"


def _shape(row: dict[str, Any]) -> str:
    """The matrix product of the tokens that are left."""
    if row["m"] is None:
        return ""
    tokens = row["tokens_in"]
    k = tokens if row["op"] == "attend" else row["k"]
    n = tokens if row["op"] == "scores" else row["n"]
    return f"{tokens}x{k}x{n}"


def _main_cells(row: dict[str, Any]) -> list[str]:
    waiting, kind = max((row[kind], kind) for kind in _WAITS)
    waits = ""
    if row["compute"] and waiting:
        lost = 100 * (row["cycles_total"] - row["compute"]) / row["cycles_total"]
        waits = f"{kind.removesuffix('_wait').removeprefix('fill_')} {lost:.1f}"
    elif row["unit"] == "vector" and row["busy_cycles"]:
        exposed = row["vector"] + row["selector"]
        waits = f"hidden {100 * (1 - exposed / row['busy_cycles']):.1f}"
    shape = _shape(row)

    def figure(name: str, digits: int) -> str:
        return "" if row[name] is None else f"{row[name]:.{digits}f}"

    return [
        row["name"],
        f"in {row['fused_into'].rpartition('.')[2]}" if row["fused_into"] else row["unit"],
        f"{row['heads']}*{shape}" if row["heads"] else shape,
        figure("block_density", 3),
        f"{row['cycles_total']:,}",
        figure("model_error_pct", 2),
        figure("utilization_overall", 1),
        waits,
        figure("speedup_vs_dense", 2),
        figure("sparse_efficiency", 2),
    ]
