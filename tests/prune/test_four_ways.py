"""What the pruner makes is the same network in reference, ONNX Runtime, HLS and RTL."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw.config import ArrayConfig
from hw.ir import Network, load_network
from prune.data import calibration_images
from prune.demo import SELECTORS_PATH
from prune.models import load_model
from prune.quantize import quantize
from prune.tokens.files import load_selected
from sim.agree import agreements
from sim.images import input_images
from tests.prune.test_deit_s import thinned

IMAGES = 32

pytestmark = pytest.mark.slow


def demo(selectors: Path | None) -> Network:
    loaded = load_model("demo") if selectors is None else load_selected("demo", None, selectors)
    return quantize(loaded, calibration_images(loaded, count=16), (16, 16))


def check(network: Network, images: int, *executors: str) -> None:
    chosen = input_images(network.image, "0", images)
    for found in agreements(network, ArrayConfig(), chosen, executors):
        assert found.difference is None, f"{found.executor}: {found.difference}"
        assert found.equal == images


def test_dense_demo() -> None:
    check(demo(None), IMAGES, "onnx", "hls", "rtl")


def test_pruned_demo(pruned_demo: Path) -> None:
    check(load_network(pruned_demo), IMAGES, "onnx", "hls", "rtl")


def test_demo_with_selectors() -> None:
    check(demo(SELECTORS_PATH), IMAGES, "onnx", "hls", "rtl")


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_deit_s_without_hls(density: float) -> None:
    loaded = load_model("deit_s", seed=0)
    network = quantize(loaded, calibration_images(loaded, count=4), (16, 16))
    check(thinned(network, density, seed=5), 1, "onnx", "rtl")
