"""The pieces of hardware in which the methods differ, each with the arithmetic that it must match.

Every unit takes one input `x_i` a cycle and gives `y_o` a fixed number of cycles later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.integer import EXP2_TABLE, integer_sqrt, round_shift
from sim.bench.methods import layernorm, softmax
from sim.machine.build import RTL

HERE = Path(__file__).parent / "rtl"
IntArray = NDArray[np.int64]

SUM_BITS = 26
PROBABILITY_MULT_BITS = 20
VARIANCE_BITS = 56
RECIPROCAL_BITS = 24
CENTRED_BITS = 28
RESULT_BITS = 19


@dataclass(frozen=True)
class Rom:
    """A table, read in one cycle."""

    entries: IntArray
    first: int = 0
    """Index of the first entry."""
    bits: int = 16

    def systemverilog(self, name: str) -> str:
        """The module `name`."""
        index_bits = (self.first + len(self.entries) - 1).bit_length()
        cases = "\n".join(
            f"      {index_bits}'d{index}: data_o <= {self.bits}'d{entry};"
            for index, entry in enumerate(self.entries.tolist(), self.first)
        )
        return (
            f"module {name} (\n  input logic clk_i,\n  input logic [{index_bits - 1}:0] index_i,\n"
            f"  output logic [{self.bits - 1}:0] data_o\n);\n"
            f"  always_ff @(posedge clk_i)\n    case (index_i)\n{cases}\n"
            f"      default: data_o <= '0;\n    endcase\nendmodule\n"
        )


@dataclass(frozen=True)
class Unit:
    """One piece of hardware."""

    top: str
    cycles: int
    model: Callable[[IntArray], IntArray]
    """Outputs of inputs."""
    stimulus: Callable[[np.random.Generator], IntArray]
    """Inputs that the unit may get: random and extreme ones."""
    modules: tuple[str, ...] = ()
    """Files beside its own."""
    shared: tuple[str, ...] = ()
    """Files of the machine's RTL."""
    roms: dict[str, Rom] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Path, ...]:
        own = (HERE / f"{name}.sv" for name in (*self.modules, self.top))
        return (*(RTL / f"{name}.sv" for name in self.shared), *own)

    def rom_source(self) -> str:
        """SystemVerilog of its tables; empty without any."""
        return "\n".join(rom.systemverilog(name) for name, rom in self.roms.items())


def pack_norm(reciprocal: IntArray, half_shift: IntArray) -> IntArray:
    """What a token's unit gives: half shift (6 bits, signed) over reciprocal (24 bits)."""
    return (half_shift & 63) << RECIPROCAL_BITS | reciprocal


def _power_model(power: Callable[[IntArray], IntArray]) -> Callable[[IntArray], IntArray]:
    def model(distance: IntArray) -> IntArray:
        return power(distance & softmax.FRACTION_MASK) >> np.minimum(distance >> 8, 31)

    return model


def _all_distances(rng: np.random.Generator) -> IntArray:
    return np.concatenate([np.arange(32 << 8), rng.integers(1 << 16, size=1000)])


def _row_model(reciprocal: Callable[[IntArray, int], IntArray]) -> Callable[[IntArray], IntArray]:
    def model(x: IntArray) -> IntArray:
        mult, total = x >> SUM_BITS, x & (1 << SUM_BITS) - 1
        pairs = zip(total, mult, strict=True)
        return np.array([int(reciprocal(np.array(t), int(m))) for t, m in pairs])

    return model


def _rows(rng: np.random.Generator) -> IntArray:
    totals = np.concatenate(
        [
            2.0 ** rng.uniform(15, SUM_BITS, 2000),
            *(2.0**k * np.array([1, 1.5, 1.99999]) for k in range(15, SUM_BITS)),
        ]
    ).astype(np.int64)
    mults = rng.integers(1, 1 << PROBABILITY_MULT_BITS, len(totals))
    mults[::7] = (1 << PROBABILITY_MULT_BITS) - 1
    return mults << SUM_BITS | np.minimum(totals, (1 << SUM_BITS) - 1)


def _token_model(
    reciprocal: Callable[[IntArray], IntArray], width: int
) -> Callable[[IntArray], IntArray]:
    def model(variance: IntArray) -> IntArray:
        scaled, below = layernorm.scale_variance(variance, width)
        return pack_norm(reciprocal(scaled), below + (layernorm.SCALED_BITS - width) // 2)

    return model


def _root24_model(variance: IntArray) -> IntArray:
    scaled, half_shift = layernorm.scale_variance(variance, 48)
    return pack_norm((1 << 46) // integer_sqrt(scaled), half_shift)


def _variances(rng: np.random.Generator) -> IntArray:
    # Doubles have 53 bits: the lower ones are drawn apart.
    high = (2.0 ** rng.uniform(0, 52, 3000)).astype(np.int64) << rng.integers(5, size=3000)
    edges = [value for k in range(1, VARIANCE_BITS + 1) for value in ((1 << k) - 1, 1 << (k - 1))]
    return np.concatenate([high, np.arange(1, 300), edges])


def _lane_model(x: IntArray) -> IntArray:
    centred = ((x & (1 << CENTRED_BITS) - 1) ^ 1 << CENTRED_BITS - 1) - (1 << CENTRED_BITS - 1)
    reciprocal = x >> CENTRED_BITS & (1 << RECIPROCAL_BITS) - 1
    shift = x >> CENTRED_BITS + RECIPROCAL_BITS
    return round_shift(centred * reciprocal, shift) & (1 << RESULT_BITS) - 1


def _lane_inputs(
    centred_bits: int, reciprocals: tuple[int, int], shifts: tuple[int, int], powers: bool = False
) -> Callable[[np.random.Generator], IntArray]:
    def stimulus(rng: np.random.Generator) -> IntArray:
        size = 3000
        reciprocal = rng.integers(reciprocals[0], reciprocals[1] + 1, size)
        if powers:
            reciprocal = rng.choice(reciprocals, size)
        shift = rng.integers(shifts[0], shifts[1] + 1, size)
        # Normalized values stay within 19 bits, centred ones within theirs.
        room = np.minimum(
            np.floor(((1 << RESULT_BITS - 1) - 1) * 2.0**shift / reciprocal),
            (1 << centred_bits - 1) - 1,
        ).astype(np.int64)
        centred = rng.integers(-room, room + 1)
        centred[::5] = room[::5]
        centred[1::5] = -room[1::5]
        mask = (1 << CENTRED_BITS) - 1
        return (shift << RECIPROCAL_BITS | reciprocal) << CENTRED_BITS | centred & mask

    return stimulus


_NORM = ("scale_variance",)
_DELAYED = (*_NORM, "delay")
_ROOT = ("divider", "square_root")
_SEGMENTS = softmax.SEGMENT_DROP << 16 | softmax.SEGMENT_START[:-1]

UNITS: dict[str, Unit] = {
    "exponent table256": Unit(
        "softmax_table",
        2,
        _power_model(softmax.table_power),
        _all_distances,
        roms={"exp2_rom": Rom(EXP2_TABLE)},
    ),
    "exponent segments16": Unit(
        "softmax_segments",
        3,
        _power_model(softmax.segment_power),
        _all_distances,
        roms={"segment_rom": Rom(_SEGMENTS, bits=27)},
    ),
    "exponent polynomial": Unit(
        "softmax_polynomial",
        2,
        _power_model(softmax.polynomial_power),
        _all_distances,
        parameters={
            "Start": softmax.POLYNOMIAL_START,
            "Offset": softmax.POLYNOMIAL_OFFSET,
            "Drop": softmax.POLYNOMIAL_DROP,
        },
    ),
    "exponent line": Unit("softmax_line", 1, _power_model(softmax.line_power), _all_distances),
    "exponent powers": Unit("softmax_whole", 1, _power_model(softmax.whole_power), _all_distances),
    "sum divided": Unit(
        "softmax_divide", 21, _row_model(softmax.divided), _rows, shared=("divider",)
    ),
    "sum shifted": Unit("softmax_shift", 2, _row_model(softmax.rounded_to_power), _rows),
    "token root24": Unit(
        "norm_root",
        2 + 24 + 24,
        _root24_model,
        _variances,
        modules=_DELAYED,
        shared=_ROOT,
        parameters={"RootBits": 24, "QuotientBits": 24},
    ),
    "token root16": Unit(
        "norm_root",
        2 + 16 + 17,
        _token_model(layernorm.root_reciprocal, layernorm.SCALED_BITS),
        _variances,
        modules=_DELAYED,
        shared=_ROOT,
        parameters={"RootBits": 16, "QuotientBits": 17},
    ),
    "token newton": Unit(
        "norm_newton",
        6,
        _token_model(layernorm.newton_reciprocal, layernorm.NEWTON_BITS),
        _variances,
        modules=_DELAYED,
        roms={"newton_rom": Rom(layernorm.NEWTON_TABLE, layernorm.NEWTON_FIRST)},
    ),
    "token table768": Unit(
        "norm_table",
        3,
        _token_model(layernorm.table_reciprocal, layernorm.TABLE_BITS),
        _variances,
        modules=_NORM,
        roms={"reciprocal_rom": Rom(layernorm.RECIPROCAL_TABLE, layernorm.TABLE_FIRST)},
    ),
    "token power": Unit(
        "norm_power",
        2,
        _token_model(layernorm.power_reciprocal, 2),
        _variances,
        modules=_NORM,
    ),
    "value 28x24": Unit(
        "norm_lane",
        2,
        _lane_model,
        _lane_inputs(28, (1 << 22, 1 << 23), (11, 38)),
        parameters={"CentredBits": 28, "ReciprocalBits": 24},
    ),
    "value 27x17": Unit(
        "norm_lane",
        2,
        _lane_model,
        _lane_inputs(27, (1 << 15, 1 << 16), (4, 31)),
        parameters={"CentredBits": 27, "ReciprocalBits": 17},
    ),
    "value shifted": Unit(
        "norm_shift_lane",
        2,
        _lane_model,
        _lane_inputs(27, (1 << 15, 1 << 16), (4, 31), powers=True),
    ),
}
"""By the name in the table."""
