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
Lanes = Annotated[int | None, typer.Option("--lanes", help="Lanes of the vector unit.")]
ActWords = Annotated[
    int | None, typer.Option("--act-words", help="Depth of each int8 memory, in words.")
]
WideWords = Annotated[
    int | None, typer.Option("--wide-words", help="Depth of each int16 memory, in words.")
]


def geometry(
    config: Path | None, base: ArrayConfig | None = None, **named: int | None
) -> ArrayConfig:
    """The file's geometry, else `base`, else the default, with the fields named changed.

    Raises:
        UserError: the file cannot be read, or the geometry cannot be built.
    """
    if base is None or config is not None:
        return array_config(config, **named)
    fields: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    return replace(base, **fields)
