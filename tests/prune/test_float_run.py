"""`python -m prune` on a model that the compiler cannot run: what it writes and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from hw.cli import run_app
from prune.cli import app
from prune.models import LoadedModel
from tests.support import Call

MODEL = (
    "swinv2_tiny_window8_256:img_size=32,window_size=4,embed_dim=32,depths=1x1,num_heads=2x4,"
    "num_classes=10"
)
FLOPS = ("--flops", "0.6", "--images", "4", "--block", "16")


@pytest.fixture(scope="module", autouse=True)
def _offline() -> Iterator[None]:
    """No test asks the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prune.models.load.why_unavailable", lambda config: "a test without network")
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a run, in a folder that held a compiled one."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "network.json").write_text("of an earlier run")
    with pytest.raises(SystemExit) as stop:
        run_app(app, ["run", MODEL, "--out", str(folder), *FLOPS])
    assert stop.value.code in (None, 0)
    return folder


def test_run_leaves_the_float_artifacts_and_no_network(out: Path) -> None:
    names = {path.name for path in out.iterdir()}
    assert "model.onnx" in names
    assert not {"network.json", "network.safetensors"} & names


def test_report_says_that_and_why_nothing_was_compiled(out: Path) -> None:
    report = json.loads((out / "pruned.json").read_text())
    assert report["compiled"] is False
    assert report["why_not_compiled"] == "SwinTransformerV2 is not timm's VisionTransformer"


def test_report_names_what_stays_dense(out: Path) -> None:
    left = json.loads((out / "pruned.json").read_text())["left_dense"]
    reasons = {row["name"]: row["reason"] for row in left}
    assert "sees no image" in reasons["layers.0.blocks.0.attn.cpb_mlp.0"]
    assert not reasons.keys() & load_file(out / "masks.safetensors").keys()


def test_removed_blocks_are_zero_in_the_checkpoint(out: Path) -> None:
    weights, masks = load_file(out / "pruned.safetensors"), load_file(out / "masks.safetensors")
    for name, keep in masks.items():
        matrix = weights[f"{name}.weight"].reshape(len(weights[f"{name}.weight"]), -1)
        dead = ~np.kron(keep, np.ones((16, 16), bool))[: matrix.shape[0], : matrix.shape[1]]
        assert not matrix[dead].any()


def test_accuracy_of_a_run_is_measured_in_float_and_says_why_not_in_int8(
    out: Path, tmp_path: Path, call: Call
) -> None:
    figures = tmp_path / "accuracy.json"
    assert call(app, "accuracy", out, "--limit", 8, "--json", figures)[0] == 0
    found = json.loads(figures.read_text())
    assert found["images"] == 8
    assert found["int8_top1"] is None
    assert "SwinTransformerV2" in found["why_no_int8"]


def test_run_folder_exports_its_pruned_weights(
    out: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[LoadedModel] = []
    module = import_module("prune.cli.export")  # as an attribute, the name is the command's
    monkeypatch.setattr(module, "export_onnx", lambda loaded, path: exported.append(loaded))
    assert call(app, "export", out, "--out", tmp_path / "model.onnx")[0] == 0
    weights = load_file(out / "pruned.safetensors")
    for name, tensor in exported[0].model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name])


def test_there_is_nothing_to_close(out: Path, call: Call) -> None:
    status, message = call(app, "close", out)
    assert (status, message.count("\n")) == (2, 1)
    assert "not compiled" in message


@pytest.mark.parametrize(
    "command",
    [("run", "--out", "unused", "--cycles", "0.5"), ("compare-units",), ("compare-methods",)],
)
def test_what_needs_the_compiler_is_refused_in_one_line_that_says_what_can_be_done(
    command: tuple[str, ...], call: Call, tmp_path: Path
) -> None:
    name, *options = command
    given = [tmp_path / "out" if option == "unused" else option for option in options]
    status, message = call(app, name, MODEL, *given)
    assert (status, message.count("\n")) == (2, 1)
    assert "SwinTransformerV2 is not timm's VisionTransformer" in message
    assert "--flops" in message and "prune export" in message
    assert not list(tmp_path.iterdir())
