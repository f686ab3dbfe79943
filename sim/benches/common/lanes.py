"""Vectors of equal lanes, lane 0 in the lowest bits, as the ports carry them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pack(values: ArrayLike, bits: int) -> int:
    """The lanes (n) as one number; each is reduced to `bits`."""
    mask = (1 << bits) - 1
    packed = 0
    for value in reversed(np.asarray(values).ravel().tolist()):
        packed = packed << bits | value & mask
    return packed


def unpack(value: int, bits: int, lanes: int) -> NDArray[np.int64]:
    """The signed lanes (n) of a number."""
    half = 1 << (bits - 1)
    fields = [(value >> bits * i) & ((1 << bits) - 1) for i in range(lanes)]
    return np.array([(field ^ half) - half for field in fields], np.int64)
