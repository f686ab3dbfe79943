"""Programs on disk: what is written comes back, and what does not fit is refused."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network, load_network, save_network
from hw.program.compiler import Program, compile_network
from hw.program.files import read_program, write_program
from hw.program.layout import Memory

CONFIG = ArrayConfig(rows=4, cols=4, acc_depth=32, act_words=16384)


@pytest.fixture
def compiled(network_folder: Path) -> tuple[Path, Network, Program]:
    network = load_network(network_folder)
    program = compile_network(network, CONFIG)
    write_program(program, network, network_folder)
    return network_folder, network, program


def test_program_comes_back(compiled: tuple[Path, Network, Program]) -> None:
    folder, network, program = compiled
    found = read_program(folder, network)
    assert found.schedule == program.schedule
    assert np.array_equal(found.stream, program.stream)
    assert all(np.array_equal(found.kept[name], kept) for name, kept in program.kept.items())


def test_changed_network_is_refused(compiled: tuple[Path, Network, Program]) -> None:
    folder, network, _ = compiled
    network.params["fc1.weight"] = -network.params["fc1.weight"]
    save_network(network, folder)
    with pytest.raises(UserError, match="another network"):
        read_program(folder, network)


def test_cut_stream_is_refused(compiled: tuple[Path, Network, Program]) -> None:
    folder, network, program = compiled
    path = folder / "program.bin"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"not the {program.stream.size}"):
        read_program(folder, network)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 99}'])
def test_damaged_description_is_refused(
    compiled: tuple[Path, Network, Program], content: str
) -> None:
    folder, network, _ = compiled
    (folder / "program.json").write_text(content)
    with pytest.raises(UserError, match=r"program\.json"):
        read_program(folder, network)


def test_full_disk_leaves_the_earlier_program(
    compiled: tuple[Path, Network, Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, network, program = compiled
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(path: Path, data: Any) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        write_program(program, network, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_description_names_the_owner_of_every_instruction(
    compiled: tuple[Path, Network, Program],
) -> None:
    folder, network, program = compiled
    owners = json.loads((folder / "program.json").read_text())["owners"]
    assert len(owners) == len(program.schedule.entries)
    assert set(owners) == {op.name for op in network.ops} | {"end of the program"}


def test_description_counts_the_words_of_every_memory(
    compiled: tuple[Path, Network, Program],
) -> None:
    folder, _, program = compiled
    words = json.loads((folder / "program.json").read_text())["words"]
    for memory in Memory:
        placed = [p for p in program.schedule.placements.values() if p.memory is memory]
        assert words[memory.value] == max(p.base + p.words for p in placed)
