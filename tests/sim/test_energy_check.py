"""The energy model counts what the RTL does, as Verilator records it."""

from __future__ import annotations

import pytest

from sim.energy_check import Comparison, compare


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return compare()


@pytest.mark.slow
def test_memories_are_accessed_as_often_as_counted(compared: Comparison) -> None:
    for port in compared.accesses:
        assert port.recorded == port.modelled, port.name


@pytest.mark.slow
def test_further_blocks_toggle_the_array_as_much_as_the_first(compared: Comparison) -> None:
    added = compared.toggles_per_mac
    assert added[1] == pytest.approx(added[0], rel=0.1)
