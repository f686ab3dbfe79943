"""How far a method is from real arithmetic, in units of its int8 output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.bench.methods import layernorm, softmax

ROWS = 200
SCORES = (2, 17, 50, 197, 577)
"""Lengths of the rows of scores."""
CHANNELS = (96, 192, 384, 768, 1024, 2048)
GAIN_SHIFT = 20
"""A gain of 2^15 spreads normalized values over 2^7 units."""
INT16 = (-32768, 32767)


@dataclass(frozen=True)
class Error:
    """Distance from the exact result before it is rounded: 0.5 is the least there can be."""

    largest: float
    mean: float


def softmax_error(method: softmax.Softmax, seed: int = 0) -> Error:
    """Over rows of flat to steep scores, at several output scales."""
    rng = np.random.default_rng(seed)
    distances = []
    for length in SCORES:
        for spread in (50, 400, 3000, 20000):
            scores = _int16(rng.normal(0, spread, (ROWS, length)))
            for mult in (127 << 12, 500 << 12, 40000):
                distances.append(method(scores, mult) - softmax.exact(scores, mult))
    return _summary(distances)


def layernorm_error(method: layernorm.LayerNorm, seed: int = 0) -> Error:
    """Over random, extreme and nearly constant tokens, with gains of all sizes."""
    rng = np.random.default_rng(seed)
    distances = []
    for channels in CHANNELS:
        for x in _tokens(rng, channels):
            gain = rng.integers(*INT16, channels).astype(np.int16)
            offset = rng.integers(-(64 << GAIN_SHIFT), 64 << GAIN_SHIFT, channels).astype(np.int32)
            exact = layernorm.exact(x, gain, offset, GAIN_SHIFT, 1)
            distances.append(method(x, gain, offset, GAIN_SHIFT, 1) - exact)
    return _summary(distances)


def _tokens(rng: np.random.Generator, channels: int) -> Iterator[NDArray[np.int16]]:
    spread = 2.0 ** rng.uniform(0, 14, (ROWS, 1))
    middle = rng.normal(0, 3000, (ROWS, 1))
    yield _int16(rng.normal(0, 1, (ROWS, channels)) * spread + middle)
    yield rng.choice(INT16, (ROWS, channels)).astype(np.int16)
    outlier = rng.integers(-3, 4, (ROWS, channels))
    outlier[:, 0] = rng.choice(INT16, ROWS)
    yield outlier.astype(np.int16)
    constant = np.repeat(rng.integers(*INT16, (ROWS, 1)), channels, axis=1)
    constant[ROWS // 2 :, 1] ^= 1  # the second half differs by one in one channel
    yield constant.astype(np.int16)


def _int16(x: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(x), *INT16).astype(np.int16)


def _summary(distances: list[NDArray[np.float64]]) -> Error:
    absolute = np.abs(np.concatenate([distance.ravel() for distance in distances]))
    return Error(float(absolute.max()), float(absolute.mean()))
