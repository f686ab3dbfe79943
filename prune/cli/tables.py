"""Tables and lines that the commands print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from prune.allocation.budget import FIGURES
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
    compiled = report["compiled"]
    rows = report["layers"]
    columns = layer_columns(rows)
    layers = table([column.title for column in columns])
    for row in rows:
        layers.add_row(*(column.text(row) for column in columns))
    show_whole(console, layers)
    for entry in report.get("selectors", ()):
        say(
            console,
            f"tokens selected before block {entry['block']}: {entry['rate']:.1%} of the patches "
            f"stay, {entry['tokens']:.1f} tokens (threshold {entry['threshold']:.3f})",
        )
    if report["left_dense"]:
        say(console, f"left dense: {_counted(row['reason'] for row in report['left_dense'])}")
    for unit, figure in FIGURES.items():
        predicted, dense = report[f"predicted_{figure}"], report[f"dense_{figure}"]
        target = report[f"target_{figure}"]
        if predicted is None or (unit == "flops" and target is None):
            continue
        style = ",.1f" if unit == "energy" else ",.0f"
        line = f"{figure}: {predicted:{style}} predicted of {dense:{style}} dense"
        line += f" ({predicted / dense:.2%})"
        if target is not None:
            line += f", budget {target:{style}} ({report['budgets'][unit]:.2%})"
        say(console, line)
    found = report["optimality"]
    say(
        console,
        f"objective: {found['objective']:.6g}, at least {found['bound']:.6g} within the budgets: "
        f"{found['gap_percent']:.3g} % from optimal at most",
    )
    if not compiled:
        say(console, f"pruned and exported in float, not compiled: {report['why_not_compiled']}")
    if "warning" in report:
        say(console, f"warning: {report['warning']}")


def _counted(reasons: Iterable[str]) -> str:
    return "; ".join(f"{count} ({reason})" for reason, count in Counter(reasons).items())


def print_rounds(console: Console, rounds: Sequence[Round]) -> None:
    """Print the log of rounds and what the last one means."""
    columns = ["round", "budget", "target", "predicted", "measured", "deviation", "model error"]
    log = table(columns)
    for entry in rounds:
        target, deviation = entry.target_cycles, entry.deviation_percent
        log.add_row(
            str(entry.round),
            ", ".join(f"{unit} {share:.4g}" for unit, share in entry.budgets.items()),
            "-" if target is None else f"{target:,}",
            f"{entry.predicted_cycles:,}",
            f"{entry.measured_cycles:,}",
            "-" if deviation is None else f"{deviation:+.3f} %",
            f"{entry.model_error_percent:+.3f} %",
        )
    console.print(log)
    deviation = rounds[-1].deviation_percent
    if rounds[-1].selected:
        say(console, "closed: the budget holds for the mean image, each takes what its tokens take")
    elif deviation is None:
        say(console, "no budget is in cycles: nothing to correct")
    elif deviation < 0 and not rounds[-1].binding:
        say(console, "closed: another budget than that in cycles decided")
    elif abs(deviation) <= DEVIATION_PERCENT:
        say(console, f"closed: within {DEVIATION_PERCENT:g} % of the budget")
    elif not rounds[-1].needs_another:
        say(console, "the prediction was right: no step of one block comes closer to the budget")
