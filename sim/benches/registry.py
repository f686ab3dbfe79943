"""The units that have a bench of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hw.config import ArrayConfig
from sim.benches.axi import MEMORY_BYTES as AXI_MEMORY_BYTES
from sim.benches.axi import TIMEOUT as AXI_TIMEOUT
from sim.benches.core import MEMORY_BYTES as CORE_MEMORY_BYTES
from sim.benches.fetch import TIMEOUT as FETCH_TIMEOUT
from sim.benches.memory import WORDS as MEMORY_WORDS
from sim.benches.store import TIMEOUT as STORE_TIMEOUT
from sim.machine.build import Bench, core_parameters

HERE = Path(__file__).parent
MEMORIES = (HERE.parent / "machine" / "dram.sv", HERE / "common" / "either_memory.sv")

DEFAULT_GEOMETRY = ArrayConfig(
    rows=16, cols=8, acc_depth=64, act_words=16384, mem_bytes=4, burst_beats=8, fifo_beats=32
)
"""Small, with sides that differ and lines narrower than a weight row."""


@dataclass(frozen=True)
class UnitBench:
    """A bench: the RTL modules it needs (None: all), and their parameters for a geometry."""

    name: str
    sentence: str
    top: str
    modules: tuple[str, ...] | None
    parameters: Callable[[ArrayConfig], dict[str, int]]
    simulated: tuple[Path, ...] = ()
    """Sources that are no RTL."""

    @property
    def test_module(self) -> str:
        """The Python module with the cocotb tests."""
        return f"sim.benches.{self.name}.bench"

    def build(self, config: ArrayConfig) -> Bench:
        """What to build for a geometry."""
        wrapper = HERE / self.name / f"{self.top}.sv"
        wrappers = (wrapper,) if wrapper.exists() else ()
        sources = (HERE / "common" / "ports.vlt", *self.simulated, *wrappers)
        return Bench(self.top, sources, self.parameters(config), self.modules)


UNITS = (
    UnitBench(
        "array",
        "Weights enter by rows, parts of rows and columns while tokens stream; sums against numpy.",
        "array_bench",
        ("systolic_array", "pe_row", "skew"),
        lambda config: {
            "Rows": config.rows,
            "Cols": config.cols,
            "PackDsp": int(config.dsp_pack),
        },
    ),
    UnitBench(
        "requantize",
        "Every shift, both widths, random and extreme numbers, against `hw.integer.requantize`.",
        "requantize",
        ("requantize",),
        lambda config: {},
    ),
    UnitBench(
        "accumulator",
        "Output tiles of random tokens and blocks; one bank is read out while the other adds.",
        "accumulator_bench",
        ("accumulator",),
        lambda config: {"Cols": config.cols, "Depth": config.acc_depth},
    ),
    UnitBench(
        "fetch",
        "Two pieces of memory stream in; every beat, stalls, error responses, a silent memory.",
        "stream_fetch",
        ("stream_fetch",),
        lambda config: {
            "BeatBytes": config.mem_bytes,
            "BurstBeats": config.burst_beats,
            "FifoBeats": config.fifo_beats,
            "Timeout": FETCH_TIMEOUT,
        },
    ),
    UnitBench(
        "store",
        "Words to memory as bursts; every byte, stalls, error responses, a silent memory.",
        "axi_store",
        ("axi_store",),
        lambda config: {
            "BeatBytes": config.mem_bytes,
            "WordBytes": config.word_bytes,
            "Timeout": STORE_TIMEOUT,
        },
    ),
    UnitBench(
        "axi",
        "Both AXI4 masters on cocotbext-axi's memory and on the simulated DRAM: the same cycles.",
        "axi_bench",
        ("stream_fetch", "axi_store"),
        lambda config: {
            "BeatBytes": config.mem_bytes,
            "BurstBeats": config.burst_beats,
            "FifoBeats": config.fifo_beats,
            "WordBytes": config.word_bytes,
            "Bytes": AXI_MEMORY_BYTES,
            "Timeout": AXI_TIMEOUT,
        },
        MEMORIES,
    ),
    UnitBench(
        "core",
        "A network on the core: cocotbext-axi's memory and the simulated DRAM give equal cycles.",
        "core_bench",
        None,
        lambda config: {**core_parameters(config), "Bytes": CORE_MEMORY_BYTES},
        MEMORIES,
    ),
    UnitBench(
        "output",
        "Output tiles to activation memory: int8, int16, GELU table, empty tiles, write stalls.",
        "output_bench",
        ("output_stage", "tile_queue", "requantize"),
        lambda config: {
            "Cols": config.cols,
            "Slices": config.word_bytes // config.cols,
            "LineBytes": config.line_bytes,
        },
    ),
    UnitBench(
        "loader",
        "Programs stream in; tables, words, tiles, shadow weights, items; illegal instructions.",
        "loader_bench",
        (
            "loader",
            "instruction_register",
            "live_tokens",
            "tile_addresses",
            "shadow_control",
            "word_collect",
        ),
        lambda config: {
            "Rows": config.rows,
            "Cols": config.cols,
            "LineBytes": config.line_bytes,
            "AccDepth": config.acc_depth,
            "NormRows": config.norm_rows,
        },
    ),
    UnitBench(
        "memory",
        "Random reads and writes to slices of both memories, many to one word in one cycle.",
        "memory_bench",
        ("activation_memory", "feature_memory"),
        lambda config: {
            "Words": MEMORY_WORDS,
            "WordBytes": config.word_bytes,
            "Slices": config.word_bytes // config.cols,
        },
    ),
    UnitBench(
        "vector",
        "Random vector instructions, grants and hazards; every word and cycle, `hw.integer`.",
        "vector_bench",
        (
            "vector_unit",
            "vector_queue",
            "vector_sequencer",
            "vector_lane",
            "token_state",
            "token_package",
            "vector_tree",
            "token_factor",
            "square_root",
            "divider",
            "delay",
            "exp2_table",
            "activation_memory",
        ),
        lambda config: {
            "Word": config.word_bytes,
            "Lanes": config.vector_lanes,
            "Tokens": config.acc_depth,
            "NormRows": config.norm_rows,
            "StoreBytes": config.store_bytes,
        },
    ),
    UnitBench(
        "divide",
        "Roots and quotients: all small ones, edges of large ones, random ones, against Python.",
        "divide_bench",
        ("divider", "square_root"),
        lambda config: {},
    ),
    UnitBench(
        "factor",
        "Reciprocals of layer norms and softmaxes, from the smallest to the largest sums.",
        "token_factor",
        ("token_factor", "square_root", "divider", "delay"),
        lambda config: {"Tokens": config.acc_depth},
    ),
)

BENCHES = {unit.name: unit for unit in UNITS}
