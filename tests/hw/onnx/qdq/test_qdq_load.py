"""QDQ ONNX in: the network that went out, and graphs of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw.ir import Network, load_network
from hw.onnx.files import write_model
from hw.onnx.load import load_onnx
from hw.onnx.qdq.compact import without_idle_units
from hw.onnx.qdq.export import export_qdq
from sim.reference import logits, quantize_image, run
from tests.hw.onnx.networks import SELECTING, network_of, random_images
from tests.hw.onnx.qdq.test_qdq_export import DEMO, MILD, pixels


def returned(network: Network, folder: Path) -> Network:
    """The network after a journey through a file."""
    write_model(export_qdq(network), folder / "x.onnx")
    return load_onnx(folder / "x.onnx")


def integer_logits(network: Network, images: np.ndarray) -> np.ndarray:
    return logits(network, quantize_image(network.image, images))


@pytest.mark.parametrize("kind", MILD)
def test_network_that_comes_back_gives_the_same_logits(kind: str, tmp_path: Path) -> None:
    network = network_of(kind)
    images = random_images(network, 3)
    found = returned(network, tmp_path)
    assert np.array_equal(integer_logits(found, images), integer_logits(network, images))


@pytest.mark.parametrize("kind", SELECTING)
def test_selections_come_back(kind: str, tmp_path: Path) -> None:
    network = network_of(kind)
    found = returned(network, tmp_path)
    image = random_images(network, 1)[0]
    ours, theirs = (run(n, quantize_image(n.image, image)).selections[0] for n in (network, found))
    assert ours.keys() == theirs.keys()
    for name, selection in ours.items():
        assert np.array_equal(selection.kept, theirs[name].kept)


def test_demo_comes_back_but_for_the_last_bit_of_norms(tmp_path: Path) -> None:
    """Offsets of layer norms have more bits than float32."""
    network = without_idle_units(load_network(DEMO))
    found = returned(network, tmp_path)
    assert [op.name for op in found.ops] == [op.name for op in network.ops]
    assert found.ops == network.ops
    assert (found.model, found.image.mean, found.image.std) == (
        network.model,
        network.image.mean,
        network.image.std,
    )
    assert found.params.keys() == network.params.keys()
    for name, array in network.params.items():
        if name.endswith(".offset"):
            np.testing.assert_allclose(found.params[name], array, rtol=2e-7)
        else:
            assert np.array_equal(found.params[name], array), name
    images = pixels(network, 4)
    assert np.array_equal(integer_logits(found, images), integer_logits(network, images))
