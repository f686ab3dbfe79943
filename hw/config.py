"""`ArrayConfig`: the geometry of the machine, from which everything else is derived."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from hw.errors import UserError

SWITCHES = ("dsp_pack",)
"""Fields that are true or false."""


def _is_power_of_two(value: int) -> bool:
    return isinstance(value, int) and value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class ArrayConfig:
    """Geometry of the array, its memories and its memory port.

    Sizes are powers of two, so that every address split is a wire.

    Raises:
        UserError: on a geometry that the RTL cannot be built for.
    """

    rows: int = 16
    """Input features of one weight tile (PE rows)."""
    cols: int = 16
    """Output features of one weight tile (PE columns)."""
    acc_depth: int = 256
    """Tokens that one of the two accumulator banks holds."""
    lanes: int = 0
    """Lanes of the vector unit; 0: as many as a word has features."""
    act_words: int = 65536
    """Depth of each int8 memory (features, normal), in words of `word_bytes` features."""
    wide_words: int = 32768
    """Depth of each int16 memory (sums, residual), in words of `word_bytes` features."""
    mem_bytes: int = 16
    """Width of the AXI4 read port, in bytes a beat."""
    burst_beats: int = 16
    """Beats of one read burst."""
    fifo_beats: int = 256
    """Depth of the weight-stream FIFO, in beats."""
    mem_interval: int = 1
    """Cycles from one beat of the read port to the next: `mem_bytes / mem_interval` bytes a cycle,
    in the simulated DRAM."""
    mem_latency: int = 64
    """Cycles from an accepted read address to its first beat, in the simulated DRAM."""
    clock_mhz: float = 300.0
    """Clock that cycle counts are turned into time with."""
    dsp_pack: bool = False
    """Two products of neighbouring columns in one multiplier of the FPGA; the bits are the same."""

    def __post_init__(self) -> None:
        limits = {
            "rows": (4, 128),
            "cols": (4, 128),
            "acc_depth": (4, 4096),
            "act_words": (256, 1 << 22),
            "wide_words": (256, 1 << 22),
            "mem_bytes": (4, 64),
            "burst_beats": (1, 256),
            "fifo_beats": (16, 4096),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not _is_power_of_two(value) or not low <= value <= high:
                raise UserError(
                    f"{name}={value}: expected a power of two from {low} to {high}; "
                    f"choose another {name.upper()}"
                )
        lanes = self.vector_lanes
        if not _is_power_of_two(lanes) or not 4 <= lanes <= self.word_bytes:
            raise UserError(
                f"lanes={self.lanes}: expected a power of two from 4 to {self.word_bytes}, the "
                "larger side of the array; choose another LANES"
            )
        if self.burst_beats * self.mem_bytes > 4096:
            raise UserError(
                f"burst_beats={self.burst_beats}: a burst of {self.mem_bytes}-byte beats may not "
                f"pass 4096 bytes (AXI4); use at most {4096 // self.mem_bytes}"
            )
        if self.burst_beats * 2 > self.fifo_beats:
            raise UserError(
                f"fifo_beats={self.fifo_beats}: expected at least two bursts of "
                f"{self.burst_beats} beats; raise it"
            )
        if not isinstance(self.mem_latency, int) or not 1 <= self.mem_latency <= 4096:
            raise UserError(f"mem_latency={self.mem_latency}: expected 1 to 4096 cycles")
        if not isinstance(self.dsp_pack, bool):
            raise UserError(f"dsp_pack={self.dsp_pack}: expected true or false")
        if not isinstance(self.mem_interval, int) or not 1 <= self.mem_interval <= 256:
            raise UserError(f"mem_interval={self.mem_interval}: expected 1 to 256 cycles")
        if self.clock_mhz <= 0:
            raise UserError(f"clock_mhz={self.clock_mhz}: expected a positive frequency")

    @property
    def word_bytes(self) -> int:
        """Features of one memory word, one token's for the larger side of a tile; a byte each in
        the int8 memories, two in the int16 ones."""
        return max(self.rows, self.cols)

    @property
    def line_bytes(self) -> int:
        """Bytes of the weight stream that the loader takes in a cycle; a header fits one line."""
        return min(self.mem_bytes, self.cols)

    @property
    def lines_per_beat(self) -> int:
        return self.mem_bytes // self.line_bytes

    @property
    def block_lines(self) -> int:
        """Lines of one weight tile's payload."""
        return self.rows * self.cols // self.line_bytes

    @property
    def vector_lanes(self) -> int:
        """Features that the vector unit works on in a cycle."""
        return self.lanes or self.word_bytes

    @property
    def norm_rows(self) -> int:
        """Word rows that a layer norm may have: 2048 features."""
        return max(2048 // self.word_bytes, 1)

    @property
    def burst_bytes(self) -> int:
        return self.burst_beats * self.mem_bytes

    @property
    def store_bytes(self) -> int:
        """Bytes from one stored word to the next in DRAM: whole words, whole beats."""
        return max(2 * self.word_bytes, self.mem_bytes)

    @property
    def pes(self) -> int:
        return self.rows * self.cols

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of all fields."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @staticmethod
    def from_dict(fields: dict[str, int | float | bool]) -> ArrayConfig:
        """The inverse of `dataclasses.asdict`."""
        known = ArrayConfig.__dataclass_fields__
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise UserError(
                f"array configuration: unknown field {unknown[0]!r}; known: {', '.join(known)}"
            )
        return ArrayConfig(**fields)  # type: ignore[arg-type]
