"""The integer arithmetic against exact fractions and against real arithmetic."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from hw import integer

EXTREMES = np.array([-(2**31), -(2**31) + 1, -3, -2, -1, 0, 1, 2, 3, 2**31 - 1])


def exact_round(x: int, shift: int) -> int:
    return floor(Fraction(int(x), 2**shift) + Fraction(1, 2))


@pytest.mark.parametrize(("x", "expected"), [(5, 3), (3, 2), (1, 1), (-1, 0), (-3, -1), (-5, -2)])
def test_halves_round_towards_plus_infinity(x: int, expected: int) -> None:
    assert integer.round_shift(x, 1) == expected


@pytest.mark.parametrize("shift", [0, 1, 2, 15, 31, 47])
def test_rounding_equals_the_exact_quotient(shift: int) -> None:
    values = EXTREMES * 65535
    assert integer.round_shift(values, shift).tolist() == [exact_round(x, shift) for x in values]


@pytest.mark.parametrize(("bits", "low", "high"), [(8, -128, 127), (16, -32768, 32767)])
def test_saturation_clamps_to_the_whole_range(bits: int, low: int, high: int) -> None:
    assert integer.saturate([low - 1, low, 0, high, high + 1], bits).tolist() == [
        low,
        low,
        0,
        high,
        high,
    ]


def test_accumulators_wrap_at_32_bits() -> None:
    assert integer.wrap32([2**31, -(2**31) - 1]).tolist() == [-(2**31), 2**31 - 1]


@pytest.mark.parametrize("depth", [1, 1024, 1025, 3000])
def test_matmul_of_extreme_values_is_exact(depth: int) -> None:
    x, w = np.full((2, depth), -128, np.int8), np.full((depth, 3), -127, np.int8)
    assert (integer.exact_matmul(x, w) == 128 * 127 * depth).all()


def test_matmul_equals_integer_matmul() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.integers(-128, 128, (2, 5, 1500)), rng.integers(-127, 128, (1500, 7))
    np.testing.assert_array_equal(integer.exact_matmul(x.astype(np.int8), w.astype(np.int8)), x @ w)


@pytest.mark.parametrize("bits", [8, 16])
def test_requantization_equals_exact_fractions(bits: int) -> None:
    rng = np.random.default_rng(bits)
    acc = np.concatenate([EXTREMES, rng.integers(-(2**28), 2**28, 90)])
    mult = rng.integers(0, 2**16, len(acc))
    shift = rng.integers(0, 48, len(acc))
    half = 2 ** (bits - 1)
    expected = [
        min(max(exact_round(int(a) * int(m), int(s)), -half), half - 1)
        for a, m, s in zip(acc, mult, shift, strict=True)
    ]
    assert integer.requantize(acc, 0, mult, shift, bits).tolist() == expected


def test_bias_is_added_before_the_multiplier() -> None:
    assert integer.requantize([[10, 10]], [-10, 6], [1, 1], [0, 2], 8).tolist() == [[0, 4]]


def test_multipliers_keep_16_significant_bits() -> None:
    factors = np.geomspace(2.0**-30, 2.0**14.9, 2000)
    mult, shift = integer.quantize_multiplier(factors)
    error = np.abs(mult / 2.0**shift - factors) / factors
    assert error.max() <= 2.0**-16


def test_multiplier_just_below_a_power_of_two_does_not_overflow() -> None:
    mult, shift = integer.quantize_multiplier([1 - 2.0**-30, 2.0**15 - 2.0**-20])
    assert (mult / 2.0**shift).tolist() == [1.0, 2.0**15]


def test_multiplier_of_zero_is_zero() -> None:
    assert integer.quantize_multiplier([0.0])[0].tolist() == [0]


@pytest.mark.parametrize("factor", [-1.0, 2.0**15, np.inf, np.nan])
def test_factors_without_multiplier_are_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="factors must lie"):
        integer.quantize_multiplier([factor])


@pytest.mark.parametrize("tokens", [1, 2, 50, 197, 1025])
@pytest.mark.parametrize("spread", [10, 500, 5000, 32767])
def test_softmax_stays_within_one_unit_of_the_exact_shares(tokens: int, spread: int) -> None:
    scores = np.random.default_rng(tokens).integers(-spread, spread + 1, (8, tokens))
    shares = integer.softmax(scores.astype(np.int16), probability_mult=2**12 * 127)
    power = 2.0 ** ((scores - scores.max(-1, keepdims=True)) / 256)
    exact = 127 * power / power.sum(-1, keepdims=True)
    assert np.abs(shares - exact).max() <= 1.0


def test_softmax_of_extreme_scores_is_one_hot() -> None:
    scores = np.array([-32768, 32767, -32768], np.int16)
    assert integer.softmax(scores, 2**12 * 127).tolist() == [0, 127, 0]


def test_softmax_saturates_shares_beyond_its_scale() -> None:
    assert integer.softmax(np.zeros(2, np.int16), 2**12 * 1000).tolist() == [127, 127]


def test_integer_root_is_exact_beside_squares() -> None:
    roots = np.array([0, 1, 2, 3, 1000, 2**24 - 1, 2**26 - 1], dtype=np.int64)
    squares = roots * roots
    np.testing.assert_array_equal(integer.integer_sqrt(squares), roots)
    np.testing.assert_array_equal(integer.integer_sqrt(squares[1:] - 1), roots[1:] - 1)


def exact_layernorm(x: np.ndarray, gain: np.ndarray, offset: np.ndarray, shift: int) -> np.ndarray:
    x = x.astype(np.float64)
    channels = x.shape[-1]
    variance = x.var(axis=-1, keepdims=True) + 1 / channels**2
    normalized = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance)
    return np.clip(normalized * gain * 2.0 ** (12 - shift) + offset * 2.0**-shift, -128, 127)


def stream_rows(kind: str, channels: int) -> np.ndarray:
    rng = np.random.default_rng(channels)
    rows = {
        "wide": rng.integers(-32768, 32768, (16, channels)),
        "narrow": rng.integers(-2, 3, (16, channels)),
        "shifted": 30000 + rng.integers(-50, 51, (16, channels)),
        "two-valued extremes": np.where(rng.random((16, channels)) < 0.5, -32768, 32767),
        "one outlier": np.where(np.arange(channels) == 3, 32767, -32768) * np.ones((16, 1), int),
        "constant": np.full((16, channels), -32768),
    }
    return rows[kind].astype(np.int16)


@pytest.mark.parametrize("channels", [96, 384, 768, 1024])
@pytest.mark.parametrize(
    "kind", ["wide", "narrow", "shifted", "two-valued extremes", "one outlier", "constant"]
)
def test_layernorm_stays_within_one_unit_of_the_exact_norm(kind: str, channels: int) -> None:
    x = stream_rows(kind, channels)
    rng = np.random.default_rng(1)
    shift = 20
    gain = rng.integers(-12000, 12001, channels).astype(np.int16)  # up to 47 units a deviation
    offset = rng.integers(-(2**25), 2**25, channels).astype(np.int32)  # up to 32 units
    y = integer.layernorm(x, gain, offset, shift, epsilon=1)
    assert np.abs(y - exact_layernorm(x, gain, offset, shift)).max() <= 1.0


def test_layernorm_of_equal_values_is_its_offset() -> None:
    x = np.full((1, 8), 32767, np.int16)
    offset = (np.arange(-4, 4) << 10).astype(np.int32)
    y = integer.layernorm(x, np.full(8, 30000, np.int16), offset, 10, epsilon=1)
    assert y.tolist() == [list(range(-4, 4))]


def test_layernorm_to_16_bits_saturates_at_16_bits() -> None:
    x = np.array([[-32768, 32767]], np.int16)
    gain = np.full(2, 32767, np.int16)
    wide = integer.layernorm(x, gain, np.zeros(2, np.int32), 10, epsilon=1, bits=16)
    assert wide.tolist() == [[-32768, 32767]]


def test_mean_of_tokens_rounds_half_up() -> None:
    x = np.array([[[3, -3], [4, -4]]], np.int16)
    assert integer.mean_tokens(x).tolist() == [[[4, -3]]]


@pytest.mark.parametrize("score", [1, 2, 3, 127, 254, 255])
def test_average_of_one_token_is_that_token(score: int) -> None:
    x = np.arange(-32768, 32768).astype(np.int16)[None]
    np.testing.assert_array_equal(integer.average(x, np.array([score])), x)


@pytest.mark.parametrize("tokens", [2, 3, 37, 196, 1024])
def test_average_is_near_the_exact_one(tokens: int) -> None:
    rng = np.random.default_rng(tokens)
    x = rng.integers(-32768, 32768, (tokens, 50)).astype(np.int16)
    scores = rng.integers(1, 256, tokens)
    exact = scores @ x.astype(np.float64) / scores.sum()
    assert np.abs(integer.average(x, scores) - exact).max() <= tokens / 8 + 1


@pytest.mark.parametrize("value", [-32768, 32767])
@pytest.mark.parametrize("tokens", [2, 3, 5, 196, 255, 256, 1023, 4095])
def test_average_of_extremes_fits_its_widths(tokens: int, value: int) -> None:
    for score in (1, 255):
        scores = np.full(tokens, score)
        total = int(scores.sum())
        reciprocal = (1 << 23 + total.bit_length()) // total
        assert 1 << 23 <= reciprocal <= 1 << 24
        weights = integer.average_weights(scores)
        assert 0 <= weights.min() <= weights.max() < 1 << 17
        assert abs(int(weights.sum()) * value) + (1 << 16) < 1 << 33
        exact = (int(weights.sum()) * value + (1 << 16)) >> 17
        result = int(integer.average(np.full((tokens, 1), value, np.int16), scores)[0, 0])
        assert result == min(max(exact, -32768), 32767)


def test_lone_token_keeps_its_weight_beside_tokens_that_do_not_count() -> None:
    assert integer.average_weights(np.array([0, 255, 0])).tolist() == [0, (1 << 17) - 1, 0]


def test_score_is_the_mean_vote_weighted_by_the_heads() -> None:
    keep = np.array([[127, 0], [127, 127], [0, 0], [100, 51]])
    heads = np.array([[127, 127], [1, 127], [127, 1], [3, 1]])
    assert integer.token_scores(keep, heads).tolist() == [127, 254, 0, 175]


def test_score_without_any_weight_is_zero() -> None:
    assert integer.token_scores(np.array([[127, 127]]), np.zeros((1, 2), np.int64)).tolist() == [0]


def test_score_at_the_threshold_stays() -> None:
    kept = integer.kept_tokens(np.array([0, 127, 126, 128]), 127, 1, package=False)
    assert kept.tolist() == [True, True, False, True]


def test_package_token_is_always_merged_again() -> None:
    kept = integer.kept_tokens(np.array([0, 254, 254]), 127, 1, package=True)
    assert kept.tolist() == [True, True, False]


def test_dropped_tokens_stand_last_as_their_average() -> None:
    x = np.array([[1], [1000], [2], [3000], [3]], np.int16)
    kept = np.array([True, False, True, False, True])
    scores = np.array([0, 90, 200, 30, 200])
    assert integer.select_tokens(x, scores, kept).tolist() == [[1], [2], [3], [1500]]


def test_dropped_tokens_of_score_zero_count_alike() -> None:
    x = np.array([[7], [100], [300]], np.int16)
    kept = np.array([True, False, False])
    assert integer.select_tokens(x, np.zeros(3, np.int64), kept).tolist() == [[7], [200]]


def test_nothing_dropped_makes_no_package_token() -> None:
    x = np.array([[7], [100]], np.int16)
    np.testing.assert_array_equal(
        integer.select_tokens(x, np.zeros(2, np.int64), np.array([True, True])), x
    )


def test_addition_saturates() -> None:
    a = np.array([30000, -30000, 5], np.int16)
    assert integer.add(a, a).tolist() == [32767, -32768, 10]


def test_lookup_starts_at_minus_128() -> None:
    table = np.arange(-128, 128).astype(np.int8)
    x = np.array([-128, -1, 0, 127], np.int8)
    np.testing.assert_array_equal(integer.lookup(x, table), x)
