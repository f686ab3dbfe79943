"""Tables and lines that the commands print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from prune.loop import DEVIATION_PERCENT, Round
from prune.views.layers import columns as layer_columns


def table(columns: Sequence[str]) -> Table:
    """An empty table: the first column is text, the others are numbers."""
    result = Table()
    for index, column in enumerate(columns):
        result.add_column(column, justify="right" if index else "left", no_wrap=True)
    return result


def say(console: Console, line: str) -> None:
    """Print a line as it is, however wide the terminal."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def show_whole(console: Console, shown: Table) -> None:
    """Print a table with nothing cut off, however narrow the terminal."""
    unbounded = console.options.update(max_width=1000)
    width = max(console.width, console.measure(shown, options=unbounded).maximum)
    Console(file=console.file, width=width).print(shown)


def print_report(console: Console, report: dict[str, Any]) -> None:
    """Print a run's layers and totals."""
    weights = report["weights_source"]
    say(console, f"{report['model']}, method {report['method']}, weights: {weights}")
    rows = report["layers"]
    columns = layer_columns(rows)
    layers = table([column.title for column in columns])
    for row in rows:
        layers.add_row(*(column.text(row) for column in columns))
    show_whole(console, layers)
    if report["unit"] != "cycles":
        share = report["cost"] / report["dense_cost"]
        say(
            console,
            f"{report['unit']}: {report['cost']:,.0f} of {report['dense_cost']:,.0f} "
            f"({share:.2%}), budget {report['budget']:.2%}",
        )
    share = report["predicted_cycles"] / report["dense_cycles"]
    target = report["target_cycles"]
    say(
        console,
        f"cycles: {report['predicted_cycles']:,} predicted of {report['dense_cycles']:,} dense "
        f"({share:.2%})" + (f", budget {target:,} ({report['budget']:.2%})" if target else ""),
    )
    if "warning" in report:
        say(console, f"warning: {report['warning']}")


def print_rounds(console: Console, rounds: Sequence[Round]) -> None:
    """Print the log of rounds and what the last one means."""
    columns = ["round", "budget", "target", "predicted", "measured", "deviation", "model error"]
    log = table(columns)
    for entry in rounds:
        target, deviation = entry.target_cycles, entry.deviation_percent
        log.add_row(
            str(entry.round),
            f"{entry.budget:.4g}",
            "-" if target is None else f"{target:,}",
            f"{entry.predicted_cycles:,}",
            f"{entry.measured_cycles:,}",
            "-" if deviation is None else f"{deviation:+.3f} %",
            f"{entry.model_error_percent:+.3f} %",
        )
    console.print(log)
    deviation = rounds[-1].deviation_percent
    if deviation is None:
        say(console, f"the budget is in {rounds[-1].unit}, not in cycles: nothing to correct")
    elif abs(deviation) <= DEVIATION_PERCENT:
        say(console, f"closed: within {DEVIATION_PERCENT:g} % of the budget")
    elif not rounds[-1].needs_another:
        say(console, "the prediction was right: no step of one block comes closer to the budget")
