"""What all pictures share."""

import numpy as np
import pytest

from prune.views.page import spread


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], []),
        ([3.0, 1.0], [3.0, 1.0]),
        ([1.0, 1.0], [0.5, 1.5]),
        ([2.0, 1.0, 1.0], [2.25 + 1 / 12, 1 / 3, 1 + 1 / 3]),
    ],
)
def test_labels_too_close_are_spread_around_their_mean(
    wanted: list[float], expected: list[float]
) -> None:
    np.testing.assert_allclose(spread(wanted, 1.0), expected)
