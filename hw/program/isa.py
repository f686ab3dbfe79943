"""The instruction set, written once: the compiler and the RTL package are derived from it.

A program is one stream of 32-bit little-endian words in DRAM, read from front to back:

    matmul instruction, [GELU table], then for each output tile: tile header, biases, scales,
    and in `STREAM` mode for each kept block: block header, payload
    host instruction
    end instruction

`docs/isa.md` describes it in words.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.config import ArrayConfig

INSTRUCTION_WORDS = 8
TABLE_BYTES = 256
PARAM_BYTES = 8
"""Bytes of one output channel's bias (4) and scale (2 multiplier, 1 shift, 1 zero)."""

OPCODES = {"MATMUL": 1, "HOST": 2, "END": 3}
MODES = {"STREAM": 0, "ROWS": 1, "COLUMNS": 2}
"""Where weights come from: the stream; activation memory, a token a row of PEs (V); activation
memory, a token a column of PEs (K)."""


@dataclass(frozen=True)
class Field:
    """A bit field of the instruction."""

    name: str
    word: int
    lsb: int
    width: int
    meaning: str


FIELDS = (
    Field("opcode", 0, 0, 8, "MATMUL, HOST or END"),
    Field("mode", 0, 8, 2, "source of the weights: STREAM, ROWS or COLUMNS"),
    Field("wide", 0, 10, 1, "results are int16: a word of low bytes, then one of high bytes"),
    Field("gelu", 0, 11, 1, "a GELU table follows, and results pass through it"),
    Field("drain", 0, 12, 1, "ends only when its last result is in memory"),
    Field("id", 0, 16, 16, "position of the instruction in the program"),
    Field("tokens", 1, 0, 16, "tokens that stream through, at most the accumulator depth"),
    Field("tiles", 1, 16, 16, "output tiles"),
    Field("depth", 2, 0, 16, "input tiles of an output tile, unless STREAM"),
    Field(
        "valid", 2, 16, 16, "tokens of the weight operand, unless STREAM; later ones read as zero"
    ),
    Field("in_addr", 3, 0, 32, "activation word of the first token of the first input word row"),
    Field("in_stride", 4, 0, 16, "words from one input word row to the next"),
    Field("w_stride", 4, 16, 16, "the same of the weight operand, unless STREAM"),
    Field("out_addr", 5, 0, 32, "activation word of the first result"),
    Field("out_stride", 6, 0, 16, "words from one output word row to the next"),
    Field("w_addr", 7, 0, 32, "activation word of the weight operand, unless STREAM"),
)


TILE_FIELDS = (
    Field("blocks", 0, 0, 16, "blocks of the output tile"),
    Field("place", 0, 16, 16, "which output tile it is, in STREAM mode"),
)
"""The header of an output tile."""


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction; fields as in `FIELDS`."""

    opcode: int
    id: int
    mode: int = 0
    wide: int = 0
    gelu: int = 0
    drain: int = 0
    tokens: int = 0
    tiles: int = 0
    depth: int = 0
    valid: int = 0
    in_addr: int = 0
    in_stride: int = 0
    w_stride: int = 0
    out_addr: int = 0
    out_stride: int = 0
    w_addr: int = 0


def encode(instruction: Instruction) -> list[int]:
    """The instruction's words.

    Raises:
        ValueError: when a value does not fit its field.
    """
    words = [0] * INSTRUCTION_WORDS
    for field in FIELDS:
        value = getattr(instruction, field.name)
        if not 0 <= value < 1 << field.width:
            raise ValueError(f"{field.name}={value} does not fit {field.width} bits")
        words[field.word] |= value << field.lsb
    return words


def decode(words: list[int]) -> Instruction:
    """The inverse of `encode`."""
    return Instruction(**{f.name: words[f.word] >> f.lsb & ((1 << f.width) - 1) for f in FIELDS})


def instruction_bytes(config: ArrayConfig) -> int:
    """Bytes of the stream that an instruction takes, without what follows it."""
    return -(-4 * INSTRUCTION_WORDS // config.line_bytes) * config.line_bytes


def tile_head_bytes(config: ArrayConfig) -> int:
    """Bytes of the stream before an output tile's blocks: header, biases and scales."""
    return config.line_bytes + PARAM_BYTES * config.cols


def encode_tile(blocks: int, place: int) -> int:
    """The word of an output tile's header."""
    values = {"blocks": blocks, "place": place}
    return sum(values[field.name] << field.lsb for field in TILE_FIELDS)


def decode_tile(word: int) -> tuple[int, int]:
    """(blocks, place): the inverse of `encode_tile`."""
    blocks, place = (word >> f.lsb & ((1 << f.width) - 1) for f in TILE_FIELDS)
    return blocks, place


def _packed_struct(name: str, fields: tuple[Field, ...], words: int) -> list[str]:
    lines = ["", "  typedef struct packed {"]
    position = 32 * words
    for number, field in enumerate(sorted(fields, key=lambda f: -(32 * f.word + f.lsb))):
        top = 32 * field.word + field.lsb + field.width
        if top != position:
            lines.append(f"    logic [{position - top - 1}:0] unused{number};")
        lines.append(f"    logic [{field.width - 1}:0] {field.name};")
        position = 32 * field.word + field.lsb
    return [*lines, f"  }} {name};"]


def systemverilog_package() -> str:
    """The text of `blockvit_pkg.sv`: constants, the instruction and the tile header as structs."""
    lines = ["// Rendered from hw/program/isa.py.", "package blockvit_pkg;"]
    lines += [
        f"  localparam int unsigned InstrWords = {INSTRUCTION_WORDS};",
        f"  localparam int unsigned TableBytes = {TABLE_BYTES};",
        f"  localparam int unsigned ParamBytes = {PARAM_BYTES};",
    ]
    lines += [f"  localparam logic [7:0] Op{n.title()} = 8'd{v};" for n, v in OPCODES.items()]
    lines += [f"  localparam logic [1:0] Mode{n.title()} = 2'd{v};" for n, v in MODES.items()]
    lines += _packed_struct("instr_t", FIELDS, INSTRUCTION_WORDS)
    lines += _packed_struct("tile_header_t", TILE_FIELDS, 1)
    return "\n".join([*lines, "endpackage", ""])
