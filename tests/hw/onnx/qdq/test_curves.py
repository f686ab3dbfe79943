"""Activation functions found again in their tables."""

from __future__ import annotations

import numpy as np
import pytest

from hw.onnx.qdq.curves import FUNCTIONS, Curve, find_curve

SCALE_OUT = 0.024


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("scale", "center"), [(0.03637, 1.523), (0.02129, -0.317), (0.06, 4.0)])
def test_table_of_a_function_gives_a_curve_with_that_table(
    name: str, scale: float, center: float
) -> None:
    table = Curve(name, scale, center, 2.7).entries(SCALE_OUT)
    found = find_curve(table, SCALE_OUT)
    assert found is not None
    assert np.array_equal(found.entries(SCALE_OUT), table)


@pytest.mark.parametrize("entry", [0, 100, 255])
def test_one_changed_entry_is_no_curve(entry: int) -> None:
    table = Curve("gelu", 0.036, 1.5, 2.7).entries(SCALE_OUT)
    table[entry] += 20 if table[entry] < 0 else -20
    assert find_curve(table, SCALE_OUT) is None


def test_random_table_is_no_curve() -> None:
    table = np.random.default_rng(0).integers(-128, 128, 256, np.int8)
    assert find_curve(table, SCALE_OUT) is None
