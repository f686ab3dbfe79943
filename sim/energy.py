"""Energy from activity: counts of what the machine did, each times a cited energy.

`SOURCES` is the only place where energies stand. They are of one class of technology, 40 and 45 nm;
they compare operations, layers and geometries, and are no sign-off of a chip. `docs/energy.md` says
what is counted and what is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import Kept
from sim.activity import END, Activity, operation_activities
from sim.cycles import CycleModel
from sim.live import LiveCounts


@dataclass(frozen=True)
class Source:
    """A cited energy: picojoules an event, and where it stands."""

    picojoules: float
    per: str
    technology: str
    reference: str


_HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014, figure 1.1.9"
_ALADDIN = "Y. S. Shao et al., Aladdin, ISCA 2014; its common/power_func.h"

SOURCES = {
    "multiply_8": Source(0.2, "8 x 8 bit product", "45 nm, 0.9 V", _HOROWITZ),
    "multiply_32": Source(3.1, "32 x 32 bit product", "45 nm, 0.9 V", _HOROWITZ),
    "add_32": Source(0.1, "32 bit sum", "45 nm, 0.9 V", _HOROWITZ),
    "sram_8k": Source(10, "64 bit access to 8 KB", "45 nm, 0.9 V", _HOROWITZ),
    "sram_32k": Source(20, "64 bit access to 32 KB", "45 nm, 0.9 V", _HOROWITZ),
    "sram_1m": Source(100, "64 bit access to 1 MB", "45 nm, 0.9 V", _HOROWITZ),
    "dram": Source(1300, "64 bit access, the low end of 1300 to 2600", "DRAM", _HOROWITZ),
    "register_clock": Source(7.94e-3, "bit and cycle, REG int_power", "40 nm", _ALADDIN),
    "register_leakage": Source(7.40e-5, "bit and ns, REG leakage_power", "40 nm", _ALADDIN),
    "add_leakage": Source(2.38e-3, "32 bit adder and ns, ADD leakage_power", "40 nm", _ALADDIN),
    "multiply_leakage": Source(
        4.82e-2, "32 x 32 bit multiplier and ns, MUL leakage_power", "40 nm", _ALADDIN
    ),
}
"""The table of energies. Leakage is power: mW, which is pJ a ns."""

_SRAM = ((8192, "sram_8k"), (32768, "sram_32k"), (1 << 20, "sram_1m"))
PE_REGISTER_BITS = 48
"""Two weights and a partial sum (`pe_row.sv`)."""
LANE_REGISTER_BITS = 288
"""Of one lane of the vector unit (`vector_lane.sv`)."""
_LANE_PRODUCT = (27, 18)
"""Bits of the factors of a lane's product."""
_REQUANTIZE_PRODUCT = (32, 16)


def multiply_pj(a_bits: int, b_bits: int) -> float:
    """Energy of a product in pJ: the 32 bit one's, in proportion to the partial products.

    By it the 8 bit product costs 0.19 pJ, where the source has 0.2.
    """
    return SOURCES["multiply_32"].picojoules * a_bits * b_bits / (32 * 32)


def sram_pj_per_bit(size_bytes: int) -> float:
    """Energy of reading or writing a bit of an on-chip memory, in pJ.

    A power law between neighbouring sizes of the source, and beyond them.
    """
    points = [(log(size), log(SOURCES[name].picojoules / 64)) for size, name in _SRAM]
    left, right = points[:2] if size_bytes < _SRAM[1][0] else points[1:]
    slope = (right[1] - left[1]) / (right[0] - left[0])
    return exp(left[1] + slope * (log(size_bytes) - left[0]))


@dataclass(frozen=True)
class Energy:
    """Microjoules by part of the machine."""

    products: float
    """Multipliers and adders of the array."""
    accumulators: float
    output: float
    """Requantization."""
    memories: float
    """Features, normal, sums, residual."""
    vector: float
    """Lanes of the vector unit, its parameters and its state."""
    stream: float
    """The FIFO between DRAM and the loader."""
    dram: float
    clock: float
    """Registers of the array and of the lanes, clocked in every cycle, busy or not."""
    leakage: float
    """Of the same and of their multipliers and adders."""

    @property
    def total(self) -> float:
        return sum(vars(self).values())


def energy(activity: Activity, cycles: int, config: ArrayConfig) -> Energy:
    """Microjoules of some activity that took `cycles` cycles of the machine's time."""
    pj = {name: source.picojoules for name, source in SOURCES.items()}
    a, word = activity, config.word_bytes
    act = sram_pj_per_bit(config.act_words * word)
    wide = sram_pj_per_bit(config.wide_words * 2 * word)
    bank = sram_pj_per_bit(config.acc_depth * config.cols * 4)
    norm = sram_pj_per_bit(2 * config.norm_rows * 2 * word)
    state = sram_pj_per_bit(config.acc_depth * 13)
    fifo = sram_pj_per_bit(config.fifo_beats * config.mem_bytes)
    streamed = 8 * (a.program_bytes + a.image_bytes)
    lanes = config.vector_lanes
    bits = config.pes * PE_REGISTER_BITS + lanes * LANE_REGISTER_BITS
    cells = config.pes * (pj["add_leakage"] + pj["multiply_leakage"] * 64 / 1024)
    cells += lanes * 3 * pj["multiply_leakage"] * 27 * 18 / 1024
    nanoseconds = 1e3 * cycles / config.clock_mhz
    parts = {
        "products": a.macs * (pj["multiply_8"] + pj["add_32"]),
        "accumulators": (a.accumulator_read + a.accumulator_written) * bank
        + a.accumulator_written / 32 * pj["add_32"],
        "output": a.requantized * (multiply_pj(*_REQUANTIZE_PRODUCT) + 2 * pj["add_32"]),
        "memories": act
        * (a.features_read + a.operand_read + a.features_written + a.normal_read + a.normal_written)
        + wide * (a.sums_read + a.sums_written + a.residual_read + a.residual_written),
        "vector": a.lane_products * multiply_pj(*_LANE_PRODUCT)
        + a.lane_adds * pj["add_32"]
        + (a.norm_read + a.norm_written) * norm
        + (a.state_read + a.state_written) * state,
        "stream": 2 * streamed * fifo,
        "dram": a.dram_bytes * pj["dram"] / 8,
        "clock": cycles * bits * pj["register_clock"],
        "leakage": nanoseconds * (bits * pj["register_leakage"] + cells),
    }
    return Energy(**{name: 1e-6 * value for name, value in parts.items()})


def operation_energies(
    network: Network,
    model: CycleModel,
    kept: Mapping[str, Kept],
    live: LiveCounts | None = None,
) -> dict[str, float]:
    """Microjoules of every operation, and of the program's end (`END`), as the cycle model has it.

    They sum to the run.

    Args:
        model: of the network.
        kept: (input tiles, output tiles) of every linear layer.
        live: tokens that come out of every `TokenSelect`; by default all stay.
    """
    cycles = model.evaluate(kept, live)
    by_op = cycles.by_op | {END: cycles.total - sum(cycles.by_op.values())}
    activities = operation_activities(network, model.schedule, kept, live)
    return {
        name: energy(done, by_op.get(name, 0), model.config).total
        for name, done in activities.items()
    }
