"""Every unit passes its bench; a bench that fails says where; waves are left when asked for."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from hw.cli import run_app
from hw.config import ArrayConfig
from sim.benches.network import run_network
from sim.benches.registry import BENCHES, DEFAULT_GEOMETRY
from sim.benches.run import run_bench
from sim.cli import app
from sim.machine.simulator import TestResult
from tests.support import Call

SQUARE = replace(DEFAULT_GEOMETRY, rows=8, cols=8, lanes=0)
TALL = replace(DEFAULT_GEOMETRY, rows=16, cols=4, lanes=0)
WIDE = replace(DEFAULT_GEOMETRY, rows=8, mem_bytes=32, lanes=0)
"""A word of the array is narrower than a beat."""
SLICED = replace(DEFAULT_GEOMETRY, rows=8, lanes=4)
"""A word of the memories takes the vector unit two steps."""
OTHERS = sorted(set(BENCHES) - {"array"})
RUNS = [
    ("array", SQUARE),
    ("array", TALL),
    ("store", WIDE),
    ("vector", SLICED),
    ("axi", WIDE),
    *((name, DEFAULT_GEOMETRY) for name in OTHERS),
]
FST_HEADER, FST_VALUES, FST_GEOMETRY, FST_HIERARCHY = 0, 8, 3, 6


def fst_blocks(path: Path) -> dict[int, bytes]:
    """Blocks of an FST file by type: a byte of type, eight of length, which they count, data."""
    data, blocks, position = path.read_bytes(), {}, 0
    while position < len(data):
        kind, length = struct.unpack_from(">BQ", data, position)
        blocks[kind] = data[position + 9 : position + 1 + length]
        position += 1 + length
    assert position == len(data)
    return blocks


@pytest.mark.parametrize(
    ("name", "config"), RUNS, ids=[f"{n}-{c.rows}x{c.cols}-{c.mem_bytes}" for n, c in RUNS]
)
def test_unit_passes(name: str, config: ArrayConfig) -> None:
    results = run_bench(BENCHES[name], config)
    assert results
    assert [result.failure for result in results if result.failure] == []


def test_network_passes_whole_core() -> None:
    config = ArrayConfig(rows=4, cols=4, acc_depth=32, act_words=16384)
    assert [result.failure for result in run_network(config)] == ["", ""]


def test_other_seed_gives_other_stimulus() -> None:
    first, second = (
        run_bench(BENCHES["array"], SQUARE, seed, test_module="tests.sim.benches.off_by_one")
        for seed in (1, 2)
    )
    assert first[0].failure != second[0].failure


def test_failure_names_tensor_index_values_and_cycle() -> None:
    (result,) = run_bench(BENCHES["array"], SQUARE, test_module="tests.sim.benches.off_by_one")
    found = re.fullmatch(
        r"sums\[block 2, token 0, column 3\]: expected (-?\d+), actual (-?\d+), cycle \d+",
        result.failure,
    )
    assert found
    assert int(found[1]) == int(found[2]) + 1


def test_waves_are_an_fst_file_with_values(tmp_path: Path) -> None:
    path = tmp_path / "waves" / "requantize.fst"
    run_bench(BENCHES["requantize"], waves=path)
    blocks = fst_blocks(path)
    assert {FST_HEADER, FST_VALUES, FST_GEOMETRY, FST_HIERARCHY} <= set(blocks)
    start, end = struct.unpack_from(">QQ", blocks[FST_HEADER])
    assert end > start
    assert len(blocks[FST_VALUES]) > 1000


def test_benches_are_listed_with_their_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_app(app, ["tb"])
    listed = capsys.readouterr().out
    for bench in BENCHES.values():
        assert bench.name in listed
        assert bench.sentence.split()[0] in listed


def test_failing_test_is_one_line_and_exit_status_1(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [TestResult("first", 0.1), TestResult("second", 0.1, "sums[token 1]: expected 2")]
    monkeypatch.setattr(import_module("sim.cli.tb"), "run_bench", lambda *_: results)
    status, error = call(app, "tb", "array")
    assert status == 1
    assert error.splitlines()[-1] == "error: array: second: sums[token 1]: expected 2"


def test_unknown_bench_names_the_known_ones(call: Call) -> None:
    status, error = call(app, "tb", "arrays")
    assert status == 2
    assert error == f"error: arrays: expected a bench, one of {', '.join(BENCHES)}, network\n"
