"""A small network that the command lines can take, and the array it is simulated on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hw.ir import ImageSpec, Network
from sim.benches.random_network import Shape, random_network

SMALL = ("--rows", "4", "--cols", "4", "--acc-depth", "32", "--act-words", "16384")
"""Options of the array that small networks are simulated on."""

Call = Callable[..., tuple[int, str]]
"""Runs a command line in process: exit status, and what went to stderr."""


def small_network(seed: int = 0, **shape: Any) -> Network:
    """A random network that takes bundled images: a column of patches of one pixel each."""
    network, _ = random_network(Shape(block=(4, 4), **shape), seed)
    spec = network.tensors[Network.INPUT]
    channels = spec.features
    zeros, ones = (0.0,) * channels, (1.0,) * channels
    network.image = ImageSpec(channels, spec.tokens, 1, 1, 1 / 127, zeros, ones)
    network.info = {"weights_source": "random (seed 0)", "warning": "the weights are random"}
    return network
