"""Float ONNX: what a runtime computes from the file, and what stays zero in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from hw.errors import UserError
from prune import export
from prune.allocation.budget import Budget
from prune.allocation.flops import FlopCost
from prune.cli import app
from prune.export import export_onnx
from prune.methods import Magnitude
from prune.models import LoadedModel, load_model
from prune.pruning import prune_
from prune.quantize import normalize
from tests.prune.test_any_vit import MODELS
from tests.support import Call

BLOCK = (8, 8)
QUICK = ("eva02", "beit", "swin", "cait")
KINDS = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in MODELS]


@pytest.fixture(scope="module", autouse=True)
def _offline() -> Iterator[None]:
    """No test asks the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prune.models.load.why_unavailable", lambda config: "a test without network")
        yield


def load(kind: str) -> LoadedModel:
    """A model of one block a stage."""
    return load_model(MODELS[kind].replace("depth=2", "depth=1"), say=lambda line: None)


def run(path: Path, images: torch.Tensor) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    return session.run(["logits"], {"image": images.numpy()})[0]


@pytest.mark.parametrize("kind", KINDS)
def test_exported_model_computes_what_the_pruned_one_does(kind: str, tmp_path: Path) -> None:
    loaded, path = load(kind), tmp_path / "model.onnx"
    images = normalize(loaded, torch.rand(3, *loaded.image_shape))
    cost = FlopCost.of_model(loaded.model, images[0])
    masks = prune_(loaded.model, Magnitude(BLOCK), Budget(0.75, cost), images).masks
    export_onnx(loaded, path)
    with torch.no_grad():
        expected = loaded.model(images).numpy()
    assert np.abs(run(path, images) - expected).max() < 1e-4 * np.abs(expected).max()
    weights = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    for name, mask in masks.items():
        matrix = numpy_helper.to_array(weights[f"{name}.weight"]).reshape(mask.grid.shape)
        assert not matrix[~mask.weights()].any()


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Path]:
    """A model of which a file was written, and the file."""
    loaded, path = load("vit"), tmp_path_factory.mktemp("vit") / "model.onnx"
    export_onnx(loaded, path)
    return loaded, path


def test_file_says_what_it_holds(vit: tuple[LoadedModel, Path]) -> None:
    loaded, path = vit
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert about["weights"] == "random (seed 0)"
    assert about["mean"] == ", ".join(map(str, loaded.mean))


def test_file_holds_no_path_of_the_machine_that_wrote_it(vit: tuple[LoadedModel, Path]) -> None:
    assert b"site-packages" not in vit[1].read_bytes()


def test_export_leaves_attention_fused(vit: tuple[LoadedModel, Path]) -> None:
    attention: Any = vit[0].model.get_submodule("blocks.0.attn")
    assert attention.fused_attn


def test_model_beyond_one_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_MOST_BYTES", 1000)
    with pytest.raises(UserError, match=r"GiB of weights, expected less than 2 GiB"):
        export_onnx(load("vit"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_unknown_operation_is_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    class Bessel(torch.nn.Module):
        img_size = 4

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(images)

    loaded = LoadedModel(Bessel(), "odd", "random", (0.5,) * 3, (0.5,) * 3, random=True)
    with pytest.raises(UserError, match=r"model 'odd': cannot be exported") as caught:
        export_onnx(loaded, tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_command_exports_a_model_by_name(tmp_path: Path, call: Call) -> None:
    out = tmp_path / "demo.onnx"
    assert call(app, "export", "demo", "--out", out)[0] == 0
    demo = load_model("demo")
    images = normalize(demo, torch.rand(2, 1, 28, 28))
    with torch.no_grad():
        np.testing.assert_allclose(run(out, images), demo.model(images).numpy(), atol=1e-4)


def test_unknown_model_is_one_line(tmp_path: Path, call: Call) -> None:
    status, message = call(app, "export", "no_such_model", "--out", tmp_path / "model.onnx")
    assert (status, message.count("\n")) == (2, 1)
