"""Tokens with keep values, and what a selector makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.integer import kept_tokens, select_tokens, token_scores

IntArray = NDArray[np.integer[Any]]

MOST_HEADS = 6


@dataclass(frozen=True)
class Selection:
    """The operands of a selector, and its result."""

    keep: IntArray  # (tokens, heads)
    heads: IntArray  # (tokens, heads)
    threshold: int
    prefix: int
    kept: NDArray[np.bool_]  # (tokens)
    results: IntArray  # (tokens kept and the package, features)

    @property
    def live(self) -> int:
        """Tokens from then on."""
        return len(self.results)


def random_selection(x: IntArray, package: bool, rng: np.random.Generator) -> Selection:
    """From all tokens kept to all but the prefix dropped, scores of every size.

    Args:
        x: int16 (tokens, features)
        package: the last token is a package.
    """
    tokens = len(x)
    heads = int(rng.integers(1, MOST_HEADS + 1))
    keep, weights = rng.integers(0, 128, (2, tokens, heads))
    match int(rng.integers(4)):
        case 0:  # scores of all tokens near each other
            keep = np.clip(int(rng.integers(128)) + keep % 8, 0, 127)
        case 1:  # nothing speaks for a token
            weights[rng.random(tokens) < 0.5] = 0
        case 2:
            keep = rng.choice([0, 127], (tokens, heads))
        case _:
            pass
    scores = token_scores(keep, weights)
    threshold = int(rng.choice([0, 255, 127, int(rng.choice(scores)), int(np.median(scores))]))
    prefix = int(rng.integers(0, min(3, tokens)))
    kept = kept_tokens(scores, threshold, prefix, package)
    return Selection(keep, weights, threshold, prefix, kept, select_tokens(x, scores, kept))
