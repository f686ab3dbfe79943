"""The factors that a bench expects of sums are those in `hw.integer`."""

from __future__ import annotations

import numpy as np
import pytest

from hw.integer import NORM_FRACTION_BITS, layernorm, round_shift, saturate, softmax
from sim.benches.factor.sums import Norm, Softmax, norm_sums, softmax_sums, sums_of


@pytest.mark.parametrize("channels", [2, 48, 1000, 1024, 1025, 2048, 2049, 4096])
def test_factor_of_a_norm_gives_its_result(channels: int) -> None:
    rng = np.random.default_rng(channels)
    gain, offset = np.full(channels, 9000), np.full(channels, 12345)
    for span in (2, 300, 32767):
        x = rng.integers(-span, span + 1, channels)
        total, square = sums_of(x)
        factor, shift, lost = Norm(channels, 77).expected(total, square)
        normalized = round_shift((channels * x - total >> lost) * factor, shift)
        found = saturate(round_shift(normalized * gain + offset, NORM_FRACTION_BITS), 16)
        assert np.array_equal(found, layernorm(x, gain, offset, NORM_FRACTION_BITS, 77, 16))


def test_factor_of_a_softmax_gives_its_result() -> None:
    """Of equal scores, whose powers are all 2^15."""
    for count in (1, 3, 197, 4096):
        factor, _, _ = Softmax(127 << 12).expected(0, count << 15)
        share = min(int(round_shift((1 << 15) * factor, 28)), 127)
        assert set(softmax(np.zeros(count, np.int64), 127 << 12).tolist()) == {share}


def test_sums_reach_both_ends() -> None:
    rng = np.random.default_rng(0)
    variances = [4096 * s - t * t for t, s in norm_sums(4096, rng, 4)]
    assert min(variances) == 0
    assert max(variances) >= 1 << 53
    sums = [s for _, s in softmax_sums(rng, 4)]
    assert (min(sums), max(sums)) == (1 << 15, 1 << 27)
