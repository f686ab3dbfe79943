"""What a command line prints and exits with."""

import errno
import json
from pathlib import Path

import pytest
import typer

from hw.cli import array_config, run_app
from hw.errors import UserError


def app_of(error: BaseException | None) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def main(count: int = 0) -> None:
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (None, 0, ""),
        (UserError("budget 2: expected\n(0, 1]"), 2, "error: budget 2: expected (0, 1]\n"),
        (OSError(errno.ENOSPC, "No space left", "out"), 2, "error: out: No space left; free"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Exit(3), 3, ""),
    ],
)
def test_outcome_becomes_one_line_and_a_status(
    error: BaseException | None, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_app(app_of(error), [])
    printed = capsys.readouterr().err
    assert stop.value.code == status
    assert printed.startswith(line) and printed.count("\n") == bool(line)


def test_details_follow_in_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_app(app_of(UserError("x.onnx: two nodes", ["first: no\nreason", "second"])), [])
    printed = capsys.readouterr().err
    assert printed == "error: x.onnx: two nodes\n  first: no reason\n  second\n"


def test_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_app(app_of(ZeroDivisionError()), [])


@pytest.mark.parametrize("args", [["--count", "many"], ["--unknown"], ["extra"]])
def test_wrong_option_is_one_line(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run_app(app_of(None), args)
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.startswith("error: ") and printed.count("\n") == 1


def test_rows_and_cols_win_over_the_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_text(json.dumps({"rows": 8, "cols": 8, "acc_depth": 64}))
    config = array_config(path, rows=32)
    assert (config.rows, config.cols, config.acc_depth) == (32, 8, 64)


@pytest.mark.parametrize(
    "text", ["[1]", '{"rows": "16"}', '{"rows": true}', '{"depth": 4}', '{"rows": 5}', "{"]
)
def test_bad_configuration_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "array.json"
    path.write_text(text)
    with pytest.raises(UserError):
        array_config(path)
