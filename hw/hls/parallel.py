"""Reuse factors: how often each of a layer's multipliers or lanes works for a token."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

Sizes = Mapping[str, Any]
"""Sizes of a layer by name, as in the config struct of its kernel."""


def divisors(number: int) -> list[int]:
    return [i for i in range(1, number + 1) if number % i == 0]


def reuse(work: int, width: int) -> int:
    """How often each of `width` units works, to do `work` for a token."""
    return max(-(-work // width), 1)


def widest(widths: list[int], units: int) -> int:
    """The most of `widths` that `units` can do at once."""
    return max((width for width in widths if width <= units), default=widths[0])


def closest_width(layer: str, work: int, widths: list[int], reuse_factor: int) -> int:
    """The width whose reuse factor is the closest, with a warning when it is another one."""
    width = min(widths, key=lambda width: (abs(reuse(work, width) - reuse_factor), -width))
    if reuse(work, width) != reuse_factor:
        valid = sorted({reuse(work, width) for width in widths})
        warnings.warn(
            f"ReuseFactor {reuse_factor} of {layer}: {reuse(work, width)} used instead; "
            f"valid: {', '.join(map(str, valid))}",
            UserWarning,
            stacklevel=2,
        )
    return width
