"""What the command lines share: errors in one line on stderr, and the array's geometry."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer

from hw.artifacts import read_json
from hw.config import SWITCHES, ArrayConfig
from hw.errors import UserError

BAD_INPUT = 2
"""Exit status after an input that cannot be used."""
INTERRUPTED = 130
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def _fail(message: str, details: Sequence[str] = ()) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    for detail in details:
        print(f"  {' '.join(detail.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def run_app(app: typer.Typer, args: list[str] | None = None) -> NoReturn:
    """Run `app` on `args` (default `sys.argv[1:]`) and exit with its status.

    A `UserError`, a wrong option or a full disk prints `error: ...` in one line, then the error's
    details, and exits with 2; an interrupt exits with 130. A command returns another status by
    raising `typer.Exit(status)`.
    """
    try:
        status = app(args, standalone_mode=False)
    except UserError as error:
        _fail(str(error), error.details)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except typer.Abort:
        sys.exit(1)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        _fail(f"{error.filename or 'disk'}: {error.strerror}; free some space or change OUT")
    except Exception as error:
        # typer bundles its own click, whose usage errors share only this method with click's.
        if not hasattr(error, "format_message"):
            raise
        _fail(error.format_message() or "no command given; try --help")
    sys.exit(status if isinstance(status, int) else 0)


def array_config(path: Path | None = None, **named: int | None) -> ArrayConfig:
    """The geometry of a JSON file of `ArrayConfig` fields, or the default; fields named win.

    Raises:
        UserError: the file cannot be read, or the geometry cannot be built.
    """
    fields = read_json(path, "a JSON object of ArrayConfig fields") if path is not None else {}
    if not isinstance(fields, dict):
        raise UserError(f"{path}: expected a JSON object, e.g. {{'rows': 16, 'cols': 16}}")
    fields |= {name: value for name, value in named.items() if value is not None}
    for name, value in fields.items():
        if isinstance(value, bool) != (name in SWITCHES) or not isinstance(value, int | float):
            expected = "true or false" if name in SWITCHES else "a number"
            raise UserError(f"{path}: {name}={value!r}: expected {expected}")
    return ArrayConfig.from_dict(fields)
