"""How the demo's commands report input they cannot use."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from hw.errors import UserError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a missing or unusable file into one line on stderr and exit status 2."""
    try:
        yield
    except (FileNotFoundError, ValueError, UserError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
