"""Command-line options that describe the machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from hw.cli import array_config
from hw.config import ArrayConfig

Config = Annotated[Path | None, typer.Option("--config", help="JSON file of ArrayConfig fields.")]
Rows = Annotated[int | None, typer.Option("--rows", help="Array rows (input features).")]
Cols = Annotated[int | None, typer.Option("--cols", help="Array columns (output features).")]
AccDepth = Annotated[
    int | None, typer.Option("--acc-depth", help="Tokens that one accumulator bank holds.")
]
ActWords = Annotated[
    int | None, typer.Option("--act-words", help="Depth of the activation memory, in words.")
]


def geometry(
    config: Path | None,
    rows: int | None,
    cols: int | None,
    acc_depth: int | None,
    act_words: int | None,
) -> ArrayConfig:
    """The file's geometry, or the default, with the fields that the options name changed.

    Raises:
        UserError: the file cannot be read, or the geometry cannot be built.
    """
    array = array_config(config, rows, cols)
    named: dict[str, Any] = {"acc_depth": acc_depth, "act_words": act_words}
    return replace(array, **{name: value for name, value in named.items() if value is not None})
