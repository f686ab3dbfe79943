"""The energy model counts what the RTL does, as Verilator records it."""

from __future__ import annotations

import pytest

from sim.energy_check import Compared, compare


@pytest.fixture(scope="module")
def compared() -> list[Compared]:
    return compare()


@pytest.mark.slow
def test_memories_are_accessed_as_often_as_counted(compared: list[Compared]) -> None:
    for row in compared:
        if row.exact:
            assert row.recorded == row.modelled, row.name


@pytest.mark.slow
def test_toggles_of_the_array_grow_with_its_products(compared: list[Compared]) -> None:
    (array,) = [row for row in compared if not row.exact]
    assert array.recorded_ratio == pytest.approx(array.modelled_ratio, rel=0.1)
