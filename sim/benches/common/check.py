"""The one line with which a bench fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Mismatch(AssertionError):
    """The first value that differs from what the model expects."""


def check(place: str, expected: object, actual: object, cycle: int) -> None:
    """Compare one value.

    Args:
        place: tensor and index, such as `sums[block 2, token 5, column 1]`.

    Raises:
        Mismatch: naming place, both values and the cycle.
    """
    if expected != actual:
        raise Mismatch(f"{place}: expected {expected}, actual {actual}, cycle {cycle}")


def check_array(
    tensor: str,
    index: str,
    axes: tuple[str, ...],
    expected: NDArray[np.integer],
    actual: NDArray[np.integer],
    cycle: int,
) -> None:
    """Compare arrays of one shape; `axes` name their dimensions.

    Raises:
        Mismatch: at the first element that differs.
    """
    different = np.argwhere(expected != actual)
    if len(different):
        first = tuple(int(i) for i in different[0])
        places = [index, *(f"{axis} {i}" for axis, i in zip(axes, first, strict=True))]
        place = f"{tensor}[{', '.join(part for part in places if part)}]"
        check(place, int(expected[first]), int(actual[first]), cycle)
