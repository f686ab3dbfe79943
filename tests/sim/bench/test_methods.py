"""The compared methods: the machine does the chosen ones, and each unit does what its row says."""

from __future__ import annotations

import numpy as np
import pytest

from hw import integer
from hw.synth.resources import Resources
from sim.bench.methods import layernorm, table
from sim.bench.methods.bench import run_unit
from sim.bench.methods.errors import layernorm_error, softmax_error
from sim.bench.methods.network import Methods
from sim.bench.methods.registry import CHOSEN, LAYERNORM, SOFTMAX
from sim.bench.methods.units import UNITS

SMALL_ERROR = {"table256", "segments16", "polynomial", "root16", "root24", "newton", "table768"}


def test_machine_does_the_chosen_softmax() -> None:
    scores = np.random.default_rng(1).normal(0, 500, (50, 197)).astype(np.int16)
    expected = integer.softmax(scores, 127 << 12)
    np.testing.assert_array_equal(CHOSEN.softmax(scores, 127 << 12), expected)


@pytest.mark.parametrize("channels", [96, 768, 2048])
def test_machine_does_the_chosen_layernorm(channels: int) -> None:
    rng = np.random.default_rng(channels)
    x = (rng.normal(0, 1, (50, channels)) * 2.0 ** rng.uniform(0, 13, (50, 1))).astype(np.int16)
    gain = rng.integers(-32768, 32768, channels).astype(np.int16)
    offset = rng.integers(-(1 << 25), 1 << 25, channels).astype(np.int32)
    for bits, shift in ((8, 20), (16, 13)):
        expected = integer.layernorm(x, gain, offset, shift, 1, bits)
        actual = CHOSEN.layernorm(x, gain, offset, shift, 1, bits)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("method", SOFTMAX, ids=lambda method: method.name)
def test_softmax_error_tells_methods_apart(method) -> None:
    assert (softmax_error(method.function).largest < 1) == (method.name in SMALL_ERROR)


@pytest.mark.parametrize("method", LAYERNORM, ids=lambda method: method.name)
def test_layernorm_error_tells_methods_apart(method) -> None:
    assert (layernorm_error(method.function).largest < 1) == (method.name in SMALL_ERROR)


def test_nearly_equal_values_keep_their_precision_in_wide_tokens() -> None:
    """2048 channels, all equal but one: dropping a bit of -1 would double it."""
    x = np.zeros((1, 2048), np.int16)
    x[0, 0] = 1
    gain, offset = np.full(2048, 32767, np.int16), np.zeros(2048, np.int32)
    exact = layernorm.exact(x, gain, offset, 17, 1, 16)
    actual = layernorm.root16(x, gain, offset, 17, 1, 16)
    assert np.abs(actual - exact).max() < 1


@pytest.mark.parametrize("variance", [1, 2, 3, 4, 2**53 - 1, 2**54, 2**56 - 1])
def test_scaled_variance_has_32_bits(variance: int) -> None:
    scaled, half_shift = layernorm.scale_variance(np.array([variance]), 32)
    assert 1 << 30 <= scaled[0] < 1 << 32
    assert scaled[0] == variance * 4 ** int(half_shift[0] + 16) >> 32


def test_table_has_a_row_for_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "unit_resources", lambda name: Resources(lut=1234, dsp=2))

    def predict(methods: Methods) -> np.ndarray:
        return np.array([1, 1, 1 if methods == CHOSEN else 0, 0])

    text = table.Comparison(predict, np.array([1, 1, 1, 1])).markdown()
    rows = [line for line in text.splitlines() if ": " in line]
    assert len(rows) == len(SOFTMAX) + len(LAYERNORM)
    assert "| 75.00 % | 0 | 1,234 LUT, 2 DSP |" in rows[0]
    assert "| 50.00 % | 1 | 1,234 LUT, 2 DSP |" in rows[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_unit_matches_its_python_function(name: str) -> None:
    assert [result.failure for result in run_unit(name)] == [""]
