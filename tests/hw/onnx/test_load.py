"""Integer ONNX in: the network that went out, or every node that is none of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw.ir import Network, load_network
from hw.onnx.export import export_integer
from hw.onnx.files import write_model
from hw.onnx.load import load_onnx
from tests.hw.onnx.networks import KINDS, SELECTING, network_of

DEMO = Path(__file__).parents[2] / "golden" / "demo"


def assert_same(found: Network, expected: Network) -> None:
    for name in ("model", "image", "ops", "tensors", "info"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.params.keys() == expected.params.keys()
    for name, array in expected.params.items():
        assert found.params[name].dtype == array.dtype
        np.testing.assert_array_equal(found.params[name], array, name)


@pytest.mark.parametrize("kind", [*KINDS, *SELECTING])
def test_file_gives_the_network_back(kind: str, tmp_path: Path) -> None:
    network = network_of(kind)
    write_model(export_integer(network), tmp_path / "x.onnx")
    assert_same(load_onnx(tmp_path / "x.onnx"), network)


def test_demo_comes_back(tmp_path: Path) -> None:
    network = load_network(DEMO)
    write_model(export_integer(network), tmp_path / "demo.onnx")
    assert_same(load_onnx(tmp_path / "demo.onnx"), network)
