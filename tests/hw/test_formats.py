"""`python -m hw export` and `import`: what they write, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from hw.__main__ import app
from hw.ir import load_network
from tests.support import SMALL, Call


def test_exported_file_comes_back_and_compiles(
    network_folder: Path, tmp_path: Path, call: Call
) -> None:
    file, out = tmp_path / "x.onnx", tmp_path / "out"
    assert call(app, "export", network_folder, "--onnx", file) == (0, "")
    assert call(app, "import", file, "--out", out) == (0, "")
    assert call(app, "compile", out, *SMALL) == (0, "")
    found, expected = load_network(out), load_network(network_folder)
    assert found.ops == expected.ops
    assert found.info["weights_source"] == f"{expected.info['weights_source']}, from x.onnx"


def test_both_forms_are_written_at_once(network_folder: Path, tmp_path: Path, call: Call) -> None:
    files = tmp_path / "integer.onnx", tmp_path / "qdq.onnx"
    status, _ = call(app, "export", network_folder, "--onnx", files[0], "--qdq", files[1])
    assert status == 0
    domains = [{node.domain for node in onnx.load(file).graph.node} for file in files]
    assert domains == [{"blockvit", ""}, {""}]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("export", "{folder}"), "no format; name what to write, as --onnx FILE"),
        (("export", "none", "--onnx", "x.onnx"), "network.json: no such file"),
        (("export", "{folder}", "--onnx", "{folder}/network.json/x.onnx"), "cannot be written"),
        (("import", "none.onnx", "--out", "{out}"), "none.onnx: no such file"),
        (("import", "{folder}/network.json", "--out", "{out}"), "not a valid ONNX model"),
        (("import", "{folder}", "--out", "{out}"), "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    args: tuple[str, ...], said: str, network_folder: Path, call: Call
) -> None:
    names = {"folder": network_folder, "out": network_folder / "out"}
    before = sorted(network_folder.rglob("*"))
    status, error = call(app, *(arg.format(**names) for arg in args))
    assert status == 2
    assert said in error and error.count("\n") == 1
    assert sorted(network_folder.rglob("*")) == before


def test_folder_of_a_pruning_run_is_not_overwritten(
    network_folder: Path, tmp_path: Path, call: Call
) -> None:
    call(app, "export", network_folder, "--onnx", tmp_path / "x.onnx")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pruned.json").write_text(json.dumps({}))
    status, error = call(app, "import", tmp_path / "x.onnx", "--out", tmp_path / "run")
    assert status == 2 and "holds a pruning run" in error


def test_nodes_that_cannot_be_mapped_follow_in_lines(
    network_folder: Path, tmp_path: Path, call: Call
) -> None:
    file = tmp_path / "x.onnx"
    call(app, "export", network_folder, "--onnx", file)
    model = onnx.load(file)
    for node in model.graph.node:
        if node.name in ("add1", "add2"):
            node.op_type, node.domain = "Max", ""
    onnx.save(model, file)
    status, error = call(app, "import", file, "--out", tmp_path / "out")
    assert status == 2 and not (tmp_path / "out").exists()
    lines = error.splitlines()
    assert "2 nodes cannot be mapped" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == ["  add1", "  add2"]
