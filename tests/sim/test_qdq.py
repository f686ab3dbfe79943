"""The distance of the QDQ form from the integer one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hw.ir import load_network
from sim.images import input_images
from sim.qdq import distance

DEMO = Path(__file__).parents[1] / "golden" / "demo"


def test_demo_is_within_two_steps_with_the_same_classes() -> None:
    network = load_network(DEMO)
    found = distance(network, input_images(network.image, "0", 8))
    assert found.same_top1 == found.images == 8
    assert 0 < found.rms < 0.6
    assert found.rms < found.largest < 2


def test_every_logit_counts() -> None:
    """Integers beyond 16 bits saturate in the machine alone, so one logit differs at any rate."""
    network = load_network(DEMO)
    bias = network.params["head.bias"].copy()
    bias[3] = np.iinfo(np.int32).max // 2
    network = replace(network, params=network.params | {"head.bias": bias})
    assert distance(network, input_images(network.image, "0", 1)).largest > 100
