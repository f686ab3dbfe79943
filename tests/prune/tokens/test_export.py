"""A model with selectors as ONNX."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from prune.export import export_onnx
from prune.models import LoadedModel
from tests.prune.tokens.small import images, selective


@pytest.mark.slow
def test_exported_model_selects_as_the_model_does(tmp_path: Path) -> None:
    model, path = selective("registers and mean", (1, 3)), tmp_path / "model.onnx"
    export_onnx(LoadedModel(model, "small", "random", (0.5,) * 3, (0.5,) * 3, random=True), path)
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(["logits"], {"image": images(model).numpy()})
    with torch.no_grad():
        expected = model(images(model)).numpy()
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
