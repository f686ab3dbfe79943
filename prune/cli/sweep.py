"""`python -m prune sweep`: top-1 without finetuning over methods, cycles and block shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from hw.cli import array_config
from hw.errors import UserError
from prune.blocks import parse_block
from prune.cli import options
from prune.cli.tables import say, show_whole, table
from prune.methods import METHODS
from prune.sweep import DEFAULT_BLOCKS, DEFAULT_SHARES, Plan, sweep, write_report
from prune.sweep.chart import block_name
from prune.sweep.log import Log, Point
from prune.sweep.run import Progress
from prune.sweep.table import tables

Item = TypeVar("Item")


def sweep_command(
    model: options.Model,
    out: Annotated[Path, typer.Option(help="Folder of sweep.json, sweep.md and sweep.svg.")],
    ckpt: options.Checkpoint = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of calibration images; the demo's are bundled.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Folder of test images, one a class; the demo's are bundled."),
    ] = None,
    methods: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(METHODS),
    cycles: Annotated[
        str, typer.Option(help="Shares of the dense cycles, separated by commas.")
    ] = ",".join(map(str, DEFAULT_SHARES)),
    blocks: Annotated[
        str, typer.Option(help="Block shapes, OUTxIN, separated by commas.")
    ] = ",".join(map(block_name, DEFAULT_BLOCKS)),
    limit: Annotated[
        int | None, typer.Option(help="Test images, a seeded choice; default all.")
    ] = None,
    images: Annotated[int, typer.Option(help="Calibration images.")] = 256,
    draws: Annotated[int, typer.Option(help="Choices of calibration images, for a spread.")] = 1,
    seed: options.Seed = 0,
    bf16: Annotated[
        bool | None,
        typer.Option("--bf16/--fp32", help="Precision; default bf16 where the CPU or GPU has it."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Measure the integer networks, too; slow.")
    ] = False,
    rows: options.Rows = None,
    cols: options.Cols = None,
    config: options.Config = None,
) -> None:
    """Prune MODEL by every method to every share of its cycles, and measure top-1 of each.

    Nothing is finetuned. Finished points are kept in OUT/sweep.json and not measured again.
    """
    plan = Plan(
        model=model,
        methods=_listed("methods", methods, str),
        checkpoint=ckpt,
        data=data,
        test=test,
        shares=_listed("cycles", cycles, float),
        blocks=_listed("blocks", blocks, parse_block),
        draws=draws,
        limit=limit,
        images=images,
        seed=seed,
        int8=int8,
        config=array_config(config, rows=rows, cols=cols),
    )
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        log = sweep(plan, out, bf16, _Shown(bar))
    write_report(log, out)
    _print(Console(), log)


def _listed(option: str, text: str, read: Callable[[str], Item]) -> tuple[Item, ...]:
    try:
        return tuple(read(item.strip()) for item in text.split(",") if item.strip())
    except ValueError as error:
        raise UserError(f"{option} {text!r}: expected numbers separated by commas") from error


class _Shown(Progress):
    """A bar with the time left, and a line for every finished point."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("loading", total=None)

    def begin(self, total: int, finished: int) -> None:
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task("", total=total, completed=finished)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        self._bar.update(self._task, description=what)
        yield

    def done(self, point: Point) -> None:
        self._bar.advance(self._task)
        found = point.reason if point.top1 is None else f"{100 * point.top1:.2f} %"
        name = f"{block_name(point.block)} {point.method}"
        say(self._bar.console, f"{name}, draw {point.draw}, at {point.cycles:.0%}: {found}")


def _print(console: Console, log: Log) -> None:
    for found in tables(log):
        dense = "" if found.dense is None else f", dense {found.dense:.2f} %"
        say(console, f"top-1 in percent, blocks of {block_name(found.block)}{dense}")
        shown = table(["method", *(f"{100 * share:g} %" for share in found.shares)])
        for method, cells in found.rows.items():
            shown.add_row(method, *(str(cells[share]) for share in found.shares))
        show_whole(console, shown)
    if log.settings["weights_source"].startswith("random"):
        say(console, "the weights are random: these figures mean NOTHING")
