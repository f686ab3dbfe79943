"""The bench of ONNX files: which forms it times, on which blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from timm.models.vision_transformer import VisionTransformer

from prune.onnx_latency import measure
from prune.quantize import quantize
from tests.prune.test_quantize import SMALL, images_for, loaded_model


def test_float_dense_and_pruned_files_are_timed(tmp_path: Path) -> None:
    loaded = loaded_model(VisionTransformer(**SMALL))
    images = images_for(loaded, 2)
    pruned = quantize(loaded, images)
    for name in ("blocks.0.mlp.fc1", "blocks.1.mlp.fc1"):
        pruned.params[f"{name}.weight"][:] = 0
    found = list(measure(loaded, pruned, images, 1, 1, tmp_path))
    assert [row.form for row in found] == ["float", "int8", "int8, pruned"]
    assert [row.density for row in found] == [1.0, 1.0, pytest.approx(2 / 3)]
    sizes = [row.megabytes for row in found]
    assert sizes == sorted(sizes, reverse=True)
    assert all(row.ms > 0 for row in found)
