"""Integer ONNX of quantized ViTs in ONNX Runtime: every tensor as in the reference."""

from __future__ import annotations

import numpy as np
import pytest

from hw.ir import Network
from hw.onnx.export import export_integer
from hw.onnx.run import OnnxExecutor
from prune.data import calibration_images
from prune.models import load_model
from prune.quantize import quantize
from prune.tokens import attach_
from prune.tokens.access import selectors_of
from sim.benches.random_selectors import set_thresholds
from sim.reference import live_counts, quantize_image, run
from tests.prune.test_deit_s import thinned
from tests.prune.test_quantize import VARIANTS, images_for, loaded_model
from tests.prune.tokens.small import decide_by_noise_

SHARES = (0.7, 0.5, 0.5)
"""Of the tokens that each selector keeps of an image."""


def assert_equal_tensors(network: Network, image: np.ndarray) -> dict[str, int]:
    """That every tensor of an image is the reference's; its live counts."""
    found = OnnxExecutor(export_integer(network), every=True).tensors(image)
    expected = run(network, quantize_image(network.image, image))
    for name, array in expected.tensors.items():
        np.testing.assert_array_equal(found[name], array, name)
    return live_counts(expected.selections[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_tensor_of_a_variant_is_exact(variant: str) -> None:
    loaded = loaded_model(VARIANTS[variant]())
    images = images_for(loaded, 4)
    assert_equal_tensors(quantize(loaded, images, (16, 16)), images[0].numpy())


@pytest.mark.slow
@pytest.mark.parametrize("positions", [(), (3, 6, 9)])
def test_every_tensor_of_deit_s_is_exact_in_a_file_that_shrinks(
    positions: tuple[int, ...],
) -> None:
    loaded = load_model("deit_s", seed=0)
    if positions:
        for selector in selectors_of(attach_(loaded.model, list(positions))).values():
            decide_by_noise_(selector)
    images = calibration_images(loaded, count=4)
    dense = quantize(loaded, images, (16, 16))
    half = thinned(dense, 0.5, seed=0)
    image = images[0].numpy()
    set_thresholds(half, quantize_image(half.image, image), SHARES)
    counts = assert_equal_tensors(half, image)
    assert all(2 < count < 197 for count in counts.values())
    sizes = [export_integer(network).ByteSize() for network in (half, dense)]
    assert sizes[0] < 0.6 * sizes[1]
