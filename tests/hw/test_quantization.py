"""Integers that follow from real numbers and scales."""

from __future__ import annotations

import numpy as np
import pytest

from hw.quantization import RealNorm, layernorm_params


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e4])
def test_norm_parameters_stay_in_their_formats(gain: float) -> None:
    norm = RealNorm(np.array([gain, -gain / 3]), np.array([0.5, -3.0]), 1e-6)
    params, shift, epsilon = layernorm_params(norm, 1e-3, 0.02)
    assert 0 <= shift <= 30
    assert epsilon >= 1
    real = params["gain"] * 2.0 ** (12 - shift) * 0.02
    np.testing.assert_allclose(real, norm.gain, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(params["offset"] * 2.0**-shift * 0.02, norm.offset, rtol=1e-3)
