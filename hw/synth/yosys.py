"""Runs yosys (the `pyosys` package) in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from hw.errors import UserError

_RUNNER = """
import sys, time
from pyosys import libyosys
design, began = libyosys.Design(), time.monotonic()
for line in sys.stdin:
    command = line.strip()
    if command.startswith("#"):
        print(f"mark {time.monotonic() - began:.3f} {command[1:]}", file=sys.stderr, flush=True)
        began = time.monotonic()
    else:
        libyosys.run_pass(command, design)
"""


def yosys_version() -> str:
    return version("pyosys")


def run_yosys(
    commands: Sequence[str],
    folder: Path,
    what: str,
    marked: Callable[[str, float], None] | None = None,
) -> None:
    """Run yosys commands in `folder`, whose files they name; their output goes to `log` there.

    A command `#NAME` calls `marked` with NAME and the seconds since the last mark.

    Raises:
        UserError: when a command fails, with its first error.
    """
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUNNER],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        assert process.stdin is not None and process.stderr is not None
        try:
            process.stdin.write("\n".join(commands) + "\n")
            process.stdin.close()
        except BrokenPipeError:
            pass
        lines = []
        for line in process.stderr:
            if line.startswith("mark "):
                _, seconds, name = line.split(maxsplit=2)
                if marked is not None:
                    marked(name.strip(), float(seconds))
            else:
                lines.append(line)
        status = process.wait()
    if status:
        raise UserError(f"{what}: {_first_error(lines + log.read_text().splitlines(), status)}")


def _first_error(lines: Sequence[str], status: int) -> str:
    for line in lines:
        if "ERROR:" in line:
            return line.strip()
    return f"yosys ended with status {status}"
