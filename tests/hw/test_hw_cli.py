"""`python -m hw`: what it writes, and one line for whatever it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw.__main__ import app
from hw.cli import run_app
from hw.config import ArrayConfig
from hw.ir import save_network
from tests.support import SMALL, Call, small_network


def test_config_prints_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_app(app, ["config", *SMALL])
    fields = json.loads(capsys.readouterr().out)
    assert ArrayConfig.from_dict(fields) == ArrayConfig(4, 4, acc_depth=32, act_words=16384)


def test_named_side_makes_room_for_the_lanes_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "array.json"
    path.write_text('{"lanes": 32}')
    with pytest.raises(SystemExit):
        run_app(app, ["config", "--config", str(path), "--rows", "32"])
    fields = json.loads(capsys.readouterr().out)
    assert ArrayConfig.from_dict(fields) == ArrayConfig(rows=32, lanes=32)


def test_compile_writes_program_and_description(network_folder: Path, call: Call) -> None:
    assert call(app, "compile", network_folder, *SMALL) == (0, "")
    entry = json.loads((network_folder / "program.json").read_text())
    assert entry["bytes"] == (network_folder / "program.bin").stat().st_size


def test_disasm_lists_the_program(
    network_folder: Path, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    call(app, "compile", network_folder, *SMALL)
    with pytest.raises(SystemExit):
        run_app(app, ["disasm", str(network_folder)])
    assert "COLUMNS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("config", "--rows", "12"), "rows=12: expected a power of two from 4 to 128"),
        (("config", "--cols", "256"), "cols=256"),
        (("config", "--rows", "many"), "--rows"),
        (("config", "--config", "none.json"), "none.json: no such file"),
        (("compile", "none"), "network.json: no such file"),
        (("compile", "{large}", "--act-words", "256", "--cols", "4", "--rows", "4"), "ACT_WORDS"),
        (("compile", "{large}", "--wide-words", "256", "--cols", "4", "--rows", "4"), "WIDE_WORDS"),
        (("disasm", "{folder}"), "program.json: no such file"),
    ],
)
def test_bad_input_is_one_line(
    args: tuple[str, ...], said: str, network_folder: Path, tmp_path: Path, call: Call
) -> None:
    large = tmp_path / "large"
    save_network(small_network(tokens=100), large)
    status, printed = call(app, *(arg.format(folder=network_folder, large=large) for arg in args))
    assert status == 2
    assert said in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("name", ["network.json", "network.safetensors"])
def test_cut_network_file_is_one_line(name: str, network_folder: Path, call: Call) -> None:
    path = network_folder / name
    path.write_bytes(path.read_bytes()[:500])
    status, printed = call(app, "compile", network_folder)
    assert status == 2
    assert name in printed and "cut short" in printed
    assert printed.count("\n") == 1
    assert not (network_folder / "program.bin").exists()
