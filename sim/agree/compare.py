"""Executors against the reference: are their logits equal, and if not, since which operation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Network
from sim import reference
from sim.agree.executors import EXECUTORS, Mismatch, Tensors
from sim.images import InputImage

REFERENCE = "reference"


@dataclass(frozen=True)
class Agreement:
    """How one executor did."""

    executor: str
    images: int
    equal: int
    """Images whose logits are the reference's, all of them."""
    difference: str | None
    """The first operation that differs in the first image that does, and where; None: none does."""
    prepare_seconds: float
    """Exporting, compiling, building."""
    seconds: float
    """Running the images."""


def agreements(
    network: Network, array: ArrayConfig, images: Sequence[InputImage], executors: Sequence[str]
) -> Iterator[Agreement]:
    """Run the images in the reference, then in each executor.

    Args:
        network: a valid network.
        array: the machine, for the RTL and for the parallelism of HLS.
        images: with their pixels.
        executors: names, of `EXECUTORS`.

    Raises:
        UserError: a tool is missing or fails.
    """
    started = time.monotonic()
    expected = reference.logits(network, np.stack([image.patches for image in images]))
    seconds = time.monotonic() - started
    yield Agreement(REFERENCE, len(images), len(images), None, 0.0, seconds)
    for name in executors:
        yield _compared(name, network, array, images, expected)


def _compared(
    name: str,
    network: Network,
    array: ArrayConfig,
    images: Sequence[InputImage],
    expected: NDArray[np.int16],
) -> Agreement:
    started = time.monotonic()
    with EXECUTORS[name](network, array) as executor:
        ready = time.monotonic()
        same, difference = np.zeros(len(images), bool), None
        try:
            same = (executor.logits(images) == expected).all(axis=1)
        except Mismatch as found:
            difference = str(found)
        seconds = time.monotonic() - ready
        if difference is None and not same.all():
            image = images[int(same.argmin())]
            tensors = reference.execute(network, image.patches)
            place = first_difference(network, tensors, executor.tensors(image))
            difference = f"{image.source}: {place or 'the logits alone'}"
    return Agreement(name, len(images), int(same.sum()), difference, ready - started, seconds)


def first_difference(network: Network, expected: Tensors, found: Tensors) -> str | None:
    """The first operation whose result differs, and its first value that does; None: none does.

    Args:
        network: whose operations are gone through in their order.
        expected: results by tensor name.
        found: of some operations or all; others are left out.
    """
    for op in network.ops:
        if op.output not in found:
            continue
        right, value = expected[op.output], found[op.output]
        if right.shape != value.shape:
            return f"{op.name}: {value.shape}, expected {right.shape} (tokens, features)"
        wrong = np.argwhere(right != value)
        if len(wrong):
            token, feature = wrong[0]
            return (
                f"{op.name}: token {token}, feature {feature}: {value[token, feature]}, expected "
                f"{right[token, feature]} ({len(wrong)} of {right.size} values differ)"
            )
    return None
