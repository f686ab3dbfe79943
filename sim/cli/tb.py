"""`python -m sim tb`: the benches of the units, and of the whole core."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hw import options
from hw.config import ArrayConfig
from hw.errors import UserError
from sim.benches import network
from sim.benches.registry import BENCHES, DEFAULT_GEOMETRY
from sim.benches.run import run_bench
from sim.machine.simulator import TestResult

WAVES = Path("build/waves")
FAILED = 1
"""Exit status when a test fails."""


def tb(
    name: Annotated[
        str | None, typer.Argument(help="Bench to run; without one, list them.")
    ] = None,
    waves: Annotated[bool, typer.Option("--waves", help="Leave build/waves/NAME.fst.")] = False,
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    seed: Annotated[int, typer.Option(min=1, help="Of the stimulus.")] = 1,
) -> None:
    """Run the cocotb bench NAME on a small array; exits with 1 when a test fails.

    A failure is one line: the first value that differs, its place, and the cycle.
    """
    sentences = {bench.name: bench.sentence for bench in BENCHES.values()}
    sentences[network.NAME] = network.SENTENCE
    if name is None:
        _list(sentences)
        return
    if name not in sentences:
        raise UserError(f"{name}: expected a bench, one of {', '.join(sentences)}")
    array = _geometry(config, rows, cols, acc_depth, act_words)
    path = WAVES / f"{name}.fst" if waves else None
    typer.echo(f"{name} on {array.rows}x{array.cols}: building, then simulating", err=True)
    if name == network.NAME:
        results = network.run_network(array, seed, path)
    else:
        results = run_bench(BENCHES[name], array, seed, path)
    _print_results(results)
    if path is not None:
        typer.echo(f"waves: {path}")
    for result in results:
        if result.failure:
            typer.echo(f"error: {name}: {result.name}: {result.failure}", err=True)
            raise typer.Exit(FAILED)


def _geometry(
    config: Path | None,
    rows: int | None,
    cols: int | None,
    acc_depth: int | None,
    act_words: int | None,
) -> ArrayConfig:
    """The file's geometry, else the benches' own, with the fields that the options name changed."""
    named: dict[str, Any] = {
        "rows": rows,
        "cols": cols,
        "acc_depth": acc_depth,
        "act_words": act_words,
    }
    base = DEFAULT_GEOMETRY if config is None else options.geometry(config, *[None] * 6)
    return replace(base, **{field: value for field, value in named.items() if value is not None})


def _list(sentences: dict[str, str]) -> None:
    table = Table("bench", "what it does")
    for name, sentence in sentences.items():
        table.add_row(name, sentence)
    Console().print(table)


def _print_results(results: list[TestResult]) -> None:
    table = Table("test", "result", "seconds")
    for result in results:
        verdict = "[red]fail[/red]" if result.failure else "[green]pass[/green]"
        table.add_row(result.name, verdict, f"{result.seconds:.1f}")
    Console().print(table)
