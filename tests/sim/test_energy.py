"""Energies: hand-computed cases, and how they grow."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hw.config import ArrayConfig
from hw.program.isa import OPCODES, Instruction
from sim.activity import Activity, matmul_activity
from sim.energy import SOURCES, Energy, energy, multiply_pj, sram_pj_per_bit

CONFIG = ArrayConfig()
IDLE = energy(Activity(), 0, CONFIG)


def parts(found: Energy) -> dict[str, float]:
    return {name: value for name, value in vars(found).items() if value}


def test_machine_at_rest_for_no_time_takes_nothing() -> None:
    assert parts(IDLE) == {}


def test_product_and_its_sum_take_what_the_table_says() -> None:
    found = energy(Activity(macs=1_000_000), 0, CONFIG)
    assert parts(found) == pytest.approx({"products": 0.2 + 0.1})


def test_byte_of_dram_takes_an_eighth_of_an_access() -> None:
    found = energy(Activity(result_bytes=8_000_000), 0, CONFIG)
    assert parts(found) == pytest.approx({"dram": 1300})


def test_program_passes_the_fifo_on_its_way() -> None:
    found = energy(Activity(metadata_bytes=8_000_000), 0, CONFIG)
    # 4 KB: the power law of 8 and 32 KB, once in and once out
    assert parts(found) == pytest.approx({"dram": 1300, "stream": 2 * 10 / 2**0.5})


def test_word_of_a_megabyte_takes_what_the_table_says() -> None:
    found = energy(Activity(features_read=64_000_000), 0, CONFIG)
    assert CONFIG.act_words * CONFIG.word_bytes == 1 << 20
    assert parts(found) == pytest.approx({"memories": 100})


def test_idle_cycle_takes_clock_and_leakage() -> None:
    found = energy(Activity(), 1_000_000, CONFIG)
    bits = 256 * 48 + 16 * 288
    assert found.clock == pytest.approx(bits * 7.94e-3)
    assert set(parts(found)) == {"clock", "leakage"}


def test_leakage_goes_by_time_and_clock_by_cycles() -> None:
    slow = ArrayConfig(clock_mhz=CONFIG.clock_mhz / 2)
    fast, half = (energy(Activity(), 1000, config) for config in (CONFIG, slow))
    assert half.leakage == pytest.approx(2 * fast.leakage)
    assert half.clock == fast.clock


def test_energy_is_linear_in_kept_blocks() -> None:
    i = Instruction(OPCODES["MATMUL"], tokens=50, tiles=1)
    totals = [
        energy(matmul_activity(i, (count,), CONFIG), 50 * count, CONFIG).total
        for count in range(1, 9)
    ]
    steps = [b - a for a, b in pairwise(totals)]
    assert steps == pytest.approx([steps[0]] * 7)
    assert steps[0] > 0


def test_energy_adds_up_over_activities() -> None:
    a = Activity(macs=5, sums_read=7, weight_bytes=11, lane_products=3)
    b = Activity(requantized=2, accumulator_written=9, state_read=4)
    both = energy(a + b, 30, CONFIG).total
    assert both == pytest.approx(energy(a, 10, CONFIG).total + energy(b, 20, CONFIG).total)


@pytest.mark.parametrize(("size", "picojoules"), [(8192, 10), (32768, 20), (1 << 20, 100)])
def test_memories_of_the_table_keep_their_energy(size: int, picojoules: float) -> None:
    assert 64 * sram_pj_per_bit(size) == pytest.approx(picojoules)


def test_larger_memories_take_more() -> None:
    energies = [sram_pj_per_bit(1 << size) for size in range(8, 24)]
    assert energies == sorted(energies)


def test_small_product_agrees_with_the_table() -> None:
    assert multiply_pj(8, 8) == pytest.approx(SOURCES["multiply_8"].picojoules, rel=0.05)


def test_every_energy_is_cited() -> None:
    for source in SOURCES.values():
        assert source.picojoules > 0
        assert source.technology and source.reference and source.per
