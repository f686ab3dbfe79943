"""How far the QDQ form of a network is from its integer form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.ir import Network
from hw.onnx.names import IMAGE
from hw.onnx.qdq.export import export_qdq
from hw.onnx.qdq.scales import tensor_scales
from hw.onnx.run import open_session
from sim.images import InputImage
from sim.reference import logits

INT8_STEP = 256
"""Units of 16 bits in one of 8 of the same range."""


@dataclass(frozen=True)
class Distance:
    """Differences of the logits of some images, in steps of int8."""

    images: int
    same_top1: int
    rms: float
    largest: float


def distance(network: Network, images: Sequence[InputImage]) -> Distance:
    """The logits of QDQ ONNX in ONNX Runtime against those of the integer reference."""
    session = open_session(export_qdq(network), network.model)
    pixels = [image.pixels for image in images if image.pixels is not None]
    real = np.concatenate([session.run(None, {IMAGE: one[None]})[0] for one in pixels])
    levels = real / tensor_scales(network)[network.output]
    expected = logits(network, np.stack([image.patches for image in images]))
    steps = np.abs(levels - expected) / INT8_STEP
    same = levels.argmax(axis=1) == expected.argmax(axis=1)
    rms = float(np.sqrt(np.mean(np.square(steps))))
    return Distance(len(images), int(same.sum()), rms, float(steps.max()))
