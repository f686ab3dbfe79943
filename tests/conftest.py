"""Fixtures that the tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from hw.cli import run_app
from hw.ir import save_network
from tests.support import Call, small_network


@pytest.fixture
def network_folder(tmp_path: Path) -> Path:
    """A folder that holds a small network and nothing else."""
    save_network(small_network(), tmp_path)
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in process: its exit status, and what it wrote to stderr."""

    def run(app: typer.Typer, *args: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            run_app(app, [str(arg) for arg in args])
        return int(stop.value.code or 0), capsys.readouterr().err

    return run
