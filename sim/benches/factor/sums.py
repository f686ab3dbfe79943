"""Sums of tokens, and the factors that the integer semantics make of them.

`hw.integer` computes a layer norm as a whole. Here its steps are written again, with Python's own
integers, so that sums can be tried that no tensor of handy size has; a test holds both to each
other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from hw.integer import CENTRED_BITS, NORM_FRACTION_BITS, ROOT_BITS


@dataclass(frozen=True)
class Norm:
    """A layer norm of tokens with `channels` features."""

    channels: int
    epsilon: int

    def expected(self, total: int, square: int) -> tuple[int, int, int]:
        """(factor, shift, bits that the centred values lose) of a token."""
        variance = self.channels * square - total * total + self.epsilon
        half_shift = (2 * ROOT_BITS - variance.bit_length()) // 2
        scaled = variance << 2 * half_shift if half_shift > 0 else variance >> -2 * half_shift
        excess = max((self.channels - 1).bit_length() - CENTRED_BITS, 0)
        lost = excess if half_shift < 0 else 0
        shift = 2 * ROOT_BITS - 1 - NORM_FRACTION_BITS - half_shift - lost
        return (1 << 2 * ROOT_BITS - 1) // isqrt(scaled), shift, lost


@dataclass(frozen=True)
class Softmax:
    """A softmax; `square` holds the sum of the powers."""

    probability_mult: int

    def expected(self, total: int, square: int) -> tuple[int, None, None]:
        """(factor, nothing, nothing) of a token."""
        return (self.probability_mult << 16) // square, None, None


Sums = tuple[int, int]
"""A token's total and its sum of squares (or powers)."""


def sums_of(values: np.ndarray) -> Sums:
    """The sums of a token with these features."""
    wide = values.astype(np.int64)
    return int(wide.sum()), int((wide * wide).sum())


def norm_sums(channels: int, rng: np.random.Generator, count: int) -> list[Sums]:
    """Tokens of every magnitude, constant ones, and those with the largest sums there are."""
    low, high = -(1 << 15), (1 << 15) - 1
    tokens = [np.full(channels, value) for value in (0, 1, -1, low, high)]
    halves = np.where(np.arange(channels) < channels // 2, low, high)
    one = np.zeros(channels, np.int64)
    one[0] = low
    tokens += [halves, -halves - 1, one, np.where(np.arange(channels) == 0, high, low)]
    for _ in range(count):
        span = 1 << int(rng.integers(1, 16))
        centre = int(rng.integers(low, high))
        tokens.append(np.clip(centre + rng.integers(-span, span + 1, channels), low, high))
    return [sums_of(token) for token in tokens]


def softmax_sums(rng: np.random.Generator, count: int) -> list[Sums]:
    """Sums of powers from 2^15, one feature, to 2^27, 4096 equal ones; the total is noise."""
    edges = [(1 << bits) + d for bits in range(15, 28) for d in (-1, 0, 1)]
    edges += ((1 << 15) << rng.integers(12, size=count)).tolist()
    edges += rng.integers(1 << 15, (1 << 27) + 1, count).tolist()
    noise = rng.integers(-(1 << 27), 1 << 27, len(edges)).tolist()
    return [(t, s) for t, s in zip(noise, edges, strict=True) if 1 << 15 <= s <= 1 << 27]


def wide_sums(rng: np.random.Generator, epsilon: int) -> list[Sums]:
    """For one channel without a total: variances around every power of two up to 2^43."""
    values = [(1 << bits) + d for bits in range(44) for d in (-1, 0, 1)]
    values += (rng.integers(1 << 43, size=60) >> rng.integers(43, size=60)).tolist()
    return [(0, v - epsilon) for v in values if 0 <= v - epsilon < 1 << 44]
