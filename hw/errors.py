"""The one exception that a command line turns into a single line and a non-zero exit."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """Input that cannot be used: names the input, what was expected, and the remedy.

    Attributes:
        details: a line for each part of an input that cannot be used, where it has many.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)
