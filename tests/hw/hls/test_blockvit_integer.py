"""The arithmetic that the kernels share, against the integer reference."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from hw import integer
from tests.hw.hls.kernels import library

SOURCE = """
#include "blockvit_integer.h"
using namespace nnet::blockvit;
typedef const long long *column;
#define EACH(name, expression) \\
    extern "C" void name(int n, column a, column b, column c, long long *y) { \\
        for (int i = 0; i < n; i++) y[i] = (expression).to_int64(); \\
    }
EACH(round_shift_48, round_shift(ap_int<48>(a[i]), shift_t(b[i])))
EACH(round_shift_9, round_shift(ap_int<9>(a[i]), shift_t(b[i])))
EACH(saturate_8, (saturate<8>(ap_int<40>(a[i]))))
EACH(saturate_16, (saturate<16>(ap_int<40>(a[i]))))
EACH(requantize_8, requantize<8>(a[i], 77, b[i], c[i]))
EACH(requantize_16, requantize<16>(a[i], 77, b[i], c[i]))
EACH(bit_length_57, bit_length(ap_uint<57>(a[i])))
EACH(root, square_root<16>(ap_uint<32>(a[i])))
EACH(quotient_17, (quotient<17, 32, 16>(ap_uint<32>(a[i]), ap_uint<16>(b[i]))))
EACH(quotient_8, (quotient<8, 20, 12>(ap_uint<20>(a[i]), ap_uint<12>(b[i]))))
"""


def call(name: str, *arguments: ArrayLike) -> NDArray[np.int64]:
    """A function of `SOURCE` at every element of up to three arrays."""
    columns = np.broadcast_arrays(*(np.asarray(a, np.int64) for a in arguments))
    arrays = [np.ascontiguousarray(a.ravel()) for a in columns]
    y = np.zeros(columns[0].size, np.int64)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, *[y] * (3 - len(arrays)), y)]
    library(SOURCE)[name](ctypes.c_int(y.size), *pointers)
    return y.reshape(columns[0].shape)


@pytest.mark.parametrize(("name", "bits"), [("round_shift_48", 48), ("round_shift_9", 9)])
def test_rounding_equals_the_reference_for_every_shift(name: str, bits: int) -> None:
    half = 1 << (bits - 1)
    ends = [-half, -half + 1, -3, -2, -1, 0, 1, 2, 3, half - 2, half - 1]
    x = np.r_[ends, np.random.default_rng(0).integers(-half, half, 300)][:, None]
    shift = np.arange(48)
    np.testing.assert_array_equal(call(name, x, shift), integer.round_shift(x, shift))


@pytest.mark.parametrize("bits", [8, 16])
def test_saturation_equals_the_reference(bits: int) -> None:
    half = 1 << (bits - 1)
    x = np.r_[-(2**39), -half - 1, -half, -1, 0, half - 1, half, 2**39 - 1]
    np.testing.assert_array_equal(call(f"saturate_{bits}", x), integer.saturate(x, bits))


@pytest.mark.parametrize("bits", [8, 16])
def test_requantization_equals_the_reference(bits: int) -> None:
    rng = np.random.default_rng(bits)
    ends = [-(2**31), 2**31 - 1, 2**31 - 77, -78, -77, 0]
    acc = np.r_[ends, rng.integers(-(2**31), 2**31, 500)][:, None]
    mult = np.r_[0, 1, 2**16 - 1, rng.integers(2**15, 2**16, 20)]
    shift = rng.integers(0, 48, mult.size)
    expected = integer.requantize(acc, 77, mult, shift, bits)
    np.testing.assert_array_equal(call(f"requantize_{bits}", acc, mult, shift), expected)


def test_bit_length_of_powers_and_their_neighbours() -> None:
    x = np.array([value for k in range(57) for value in (2**k - 1, 2**k)])
    assert call("bit_length_57", x).tolist() == [int(value).bit_length() for value in x]


def test_root_is_exact_at_squares_and_below_them() -> None:
    roots = np.r_[np.arange(1, 300), np.arange(2**16 - 300, 2**16)]
    x = np.r_[0, 2**32 - 1, roots**2 - 1, roots**2, roots**2 + 1]
    np.testing.assert_array_equal(call("root", x), integer.integer_sqrt(x))


def test_quotient_equals_integer_division() -> None:
    divisor = np.r_[2**15, 2**15 + 1, 2**16 - 1, np.arange(2**15, 2**16, 97)]
    np.testing.assert_array_equal(call("quotient_17", 2**31, divisor), 2**31 // divisor)
    divisor = np.arange(1, 4096)
    for dividend in (0 * divisor, divisor - 1, divisor, 256 * divisor - 1, 200 * divisor + 3):
        small = np.minimum(dividend, 256 * divisor - 1)
        np.testing.assert_array_equal(call("quotient_8", small, divisor), small // divisor)
