"""Networks of every kind of operation, and pixels that they take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.ir import Network
from tests.support import small_network

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "prefix and extremes": {"prefix": 1, "extreme": True},
    "mean": {"prefix": 0, "norm_pre": True, "mean": True},
    "distilled": {"prefix": 2, "distilled": True, "tokens": 13},
    "empty": {"density": 0.0},
    "one token": {"tokens": 1},
    "ragged blocks": {"prefix": 1, "heads": 5, "head_features": 3, "hidden": 11, "density": 0.9},
}
SELECTING: dict[str, dict[str, Any]] = {
    "two selectors": {"tokens": 26, "prefix": 1, "blocks": 2, "selectors": (0, 1)},
    "all, none, some": {
        **{"tokens": 26, "prefix": 1, "blocks": 2, "mean": True},
        **{"selectors": (0, 1, 2), "kept": (1.0, 0.0, 0.3)},
    },
    "nothing stays": {
        **{"tokens": 7, "prefix": 0, "norm_pre": True, "mean": True},
        **{"selectors": (0, 1), "kept": (0.0, 0.0)},
    },
}


def network_of(kind: str, seed: int = 0) -> Network:
    return small_network(seed, **(KINDS | SELECTING)[kind])


def random_images(network: Network, count: int, seed: int = 0) -> NDArray[np.float32]:
    """Pixels (images, C, H, W), some of them outside of [0, 1]."""
    spec = network.image
    size = (count, spec.channels, spec.height, spec.width)
    return np.random.default_rng(seed).uniform(-0.2, 1.2, size).astype(np.float32)
