"""The instruction set, written once: the compiler and the RTL package are derived from it.

A program is one stream of 32-bit little-endian words in DRAM, read from front to back. After an
instruction come the data that it names:

    MATMUL     [GELU table], then for each output tile: tile header, biases, scales, and in
               `STREAM` mode for each kept block: block header, payload
    LOAD       words for the features or residual memory
    LAYERNORM  gains and offsets, a word row after another

`docs/isa.md` describes it in words.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.config import ArrayConfig
from hw.integer import EXP2_TABLE

INSTRUCTION_WORDS = 8
TABLE_BYTES = 256
PARAM_BYTES = 8
"""Bytes of one output channel's bias (4) and scale (2 multiplier, 1 shift, 1 zero)."""
NORM_BYTES = 6
"""Bytes of one channel's gain (2) and offset (4)."""

OPCODES = {
    "MATMUL": 1,
    "LOAD": 2,
    "ADD": 3,
    "LAYERNORM": 4,
    "SOFTMAX": 5,
    "MEAN": 6,
    "STORE": 7,
    "END": 8,
    "SCORE": 9,
    "SELECT": 10,
}
VECTOR_OPCODES = tuple(
    OPCODES[n] for n in ("ADD", "LAYERNORM", "SOFTMAX", "MEAN", "STORE", "SCORE", "SELECT")
)
"""What the vector unit executes."""
MODES = {"STREAM": 0, "ROWS": 1, "COLUMNS": 2}
"""Where weights come from: the stream; features memory, a token a row of PEs (V); features memory,
a token a column of PEs (K)."""
ERRORS = {
    "ILLEGAL": 1,
    "ADDRESS": 2,
    "BUS": 3,
    "SILENT": 4,
    "CUT": 5,
    "STUCK": 6,
}
"""What the error register says."""
ERROR_MEANINGS = {
    "ILLEGAL": "an illegal instruction",
    "ADDRESS": "a tensor outside of its memory",
    "BUS": "an error response of the memory",
    "SILENT": "a memory that stopped answering",
    "CUT": "a program without an end",
    "STUCK": "an instruction that waits for itself",
}


@dataclass(frozen=True)
class Field:
    """A bit field of the instruction."""

    name: str
    word: int
    lsb: int
    width: int
    meaning: str


_COMMON = (
    Field("opcode", 0, 0, 8, "what to do"),
    Field("id", 0, 16, 16, "position of the instruction in the program"),
)

MATMUL_FIELDS = (
    *_COMMON,
    Field("mode", 0, 8, 2, "source of the weights: STREAM, ROWS or COLUMNS"),
    Field("wide", 0, 10, 1, "results are int16, for the sums memory; else int8, for the features"),
    Field("gelu", 0, 11, 1, "a GELU table follows, and results pass through it"),
    Field("normal", 0, 12, 1, "tokens come from the normal memory, else from the features"),
    Field("live", 0, 13, 1, "token counts are those of the tokens still alive, at most as below"),
    Field("common_normal", 0, 14, 1, "STREAM: the common token lies in the normal memory"),
    Field("tokens", 1, 0, 16, "tokens that stream through, at most the accumulator depth"),
    Field("tiles", 1, 16, 16, "output tiles"),
    Field(
        "depth", 2, 0, 16,
        "input tiles of an output tile; STREAM: those with a word a token (0: all), "
        "later ones are of the common token",
    ),
    Field(
        "valid", 2, 16, 16, "tokens of the weight operand, unless STREAM; later ones read as zero"
    ),
    Field("in_addr", 3, 0, 32, "word of the first token of the first input word row"),
    Field("in_stride", 4, 0, 16, "words from one input word row to the next"),
    Field("w_stride", 4, 16, 16, "the same of the weight operand; STREAM: of the common token"),
    Field("out_addr", 5, 0, 32, "word of the first result"),
    Field("out_stride", 6, 0, 16, "words from one output word row to the next"),
    Field("w_addr", 7, 0, 32, "features word of the weight operand; STREAM: common token's word"),
)  # fmt: skip

VECTOR_FIELDS = (
    *_COMMON,
    Field("sums", 0, 8, 1, "the operand comes from the sums memory, else from the residual"),
    Field("wide", 0, 9, 1, "LAYERNORM: int16 for the residual; LOAD: words of the residual"),
    Field("second", 0, 10, 1, "ADD: add an operand of the sums memory"),
    Field("write", 0, 11, 1, "ADD: write the result"),
    Field("stats", 0, 12, 1, "ADD, SELECT, MEAN: add the results up for a layer norm"),
    Field("fresh", 0, 13, 1, "ADD, SELECT, MEAN: these sums start anew"),
    Field("live", 0, 14, 1, "token counts are those of the tokens still alive, at most as below"),
    Field("tokens", 1, 0, 16, "tokens of every word row; SELECT: as the SCORE before it"),
    Field("rows", 1, 16, 16, "word rows"),
    Field("valid", 2, 0, 16, "features; lanes behind them count as nothing"),
    Field(
        "first_token", 2, 16, 16,
        "ADD: which token of the layer norm the first one is; MEAN: tokens in front of the first; "
        "SCORE: tokens in front that are never dropped",
    ),
    Field("in_addr", 3, 0, 32, "word of the first token of the first word row"),
    Field("in_stride", 4, 0, 16, "words from one word row to the next"),
    Field(
        "second_stride", 4, 16, 16,
        "the same of the second operand of ADD and SCORE; LAYERNORM: epsilon, high",
    ),
    Field("out_addr", 5, 0, 32, "word of the first result; STORE: its first byte in DRAM"),
    Field("out_stride", 6, 0, 16, "words from one output word row to the next"),
    Field("shift", 6, 16, 6, "LAYERNORM: rounding shift"),
    Field("threshold", 6, 22, 8, "SCORE: least keep score of a token that stays"),
    Field(
        "operand", 7, 0, 32,
        "ADD, SCORE: second operand's first word; LAYERNORM: epsilon, low; "
        "SOFTMAX: probability_mult; LOAD: words",
    ),
)  # fmt: skip


TILE_FIELDS = (
    Field("blocks", 0, 0, 16, "blocks of the output tile"),
    Field("place", 0, 16, 16, "which output tile it is, in STREAM mode"),
)
"""The header of an output tile."""


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction; fields as in `MATMUL_FIELDS` or `VECTOR_FIELDS`."""

    opcode: int
    id: int = 0
    mode: int = 0
    wide: int = 0
    gelu: int = 0
    normal: int = 0
    live: int = 0
    common_normal: int = 0
    sums: int = 0
    second: int = 0
    write: int = 0
    stats: int = 0
    fresh: int = 0
    tokens: int = 0
    tiles: int = 0
    rows: int = 0
    depth: int = 0
    valid: int = 0
    first_token: int = 0
    in_addr: int = 0
    in_stride: int = 0
    w_stride: int = 0
    second_stride: int = 0
    out_addr: int = 0
    out_stride: int = 0
    w_addr: int = 0
    shift: int = 0
    threshold: int = 0
    operand: int = 0

    @property
    def is_matmul(self) -> bool:
        return self.opcode == OPCODES["MATMUL"]

    @property
    def is_vector(self) -> bool:
        return self.opcode in VECTOR_OPCODES

    @property
    def epsilon(self) -> int:
        """Of a LAYERNORM."""
        return self.second_stride << 32 | self.operand


def fields_of(opcode: int) -> tuple[Field, ...]:
    """The bit fields of an instruction."""
    return MATMUL_FIELDS if opcode == OPCODES["MATMUL"] else VECTOR_FIELDS


def encode(instruction: Instruction) -> list[int]:
    """The instruction's words.

    Raises:
        ValueError: when a value does not fit its field.
    """
    words = [0] * INSTRUCTION_WORDS
    for field in fields_of(instruction.opcode):
        value = getattr(instruction, field.name)
        if not 0 <= value < 1 << field.width:
            raise ValueError(f"{field.name}={value} does not fit {field.width} bits")
        words[field.word] |= value << field.lsb
    return words


def decode(words: list[int]) -> Instruction:
    """The inverse of `encode`."""
    fields = fields_of(words[0] & 0xFF)
    return Instruction(**{f.name: words[f.word] >> f.lsb & ((1 << f.width) - 1) for f in fields})


def instruction_bytes(config: ArrayConfig) -> int:
    """Bytes of the stream that an instruction takes, without what follows it."""
    return -(-4 * INSTRUCTION_WORDS // config.line_bytes) * config.line_bytes


def data_bytes(instruction: Instruction, config: ArrayConfig) -> int:
    """Bytes of the stream behind a LOAD or a LAYERNORM: its words, or its gains and offsets."""
    if instruction.opcode == OPCODES["LOAD"]:
        return instruction.operand * config.word_bytes * (1 + instruction.wide)
    if instruction.opcode == OPCODES["LAYERNORM"]:
        return instruction.rows * config.word_bytes * NORM_BYTES
    return 0


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
    """The text of `blockvit_pkg.sv`: constants, instructions and the tile header as structs."""
    lines = ["// Rendered from hw/program/isa.py.", "package blockvit_pkg;"]
    lines += [
        f"  localparam int unsigned InstrWords = {INSTRUCTION_WORDS};",
        f"  localparam int unsigned TableBytes = {TABLE_BYTES};",
        f"  localparam int unsigned ParamBytes = {PARAM_BYTES};",
        f"  localparam int unsigned NormBytes = {NORM_BYTES};",
    ]
    lines += [f"  localparam logic [7:0] Op{n.title()} = 8'd{v};" for n, v in OPCODES.items()]
    lines += [f"  localparam logic [1:0] Mode{n.title()} = 2'd{v};" for n, v in MODES.items()]
    lines += [f"  localparam logic [7:0] Error{n.title()} = 8'd{v};" for n, v in ERRORS.items()]
    powers = ", ".join(f"16'd{value}" for value in reversed(EXP2_TABLE))
    lines.append(f"  localparam logic [{16 * len(EXP2_TABLE) - 1}:0] Exp2Table = {{{powers}}};")
    lines += _packed_struct("instr_t", MATMUL_FIELDS, INSTRUCTION_WORDS)
    lines += _packed_struct("vector_t", VECTOR_FIELDS, INSTRUCTION_WORDS)
    lines += _packed_struct("tile_header_t", TILE_FIELDS, 1)
    return "\n".join([*lines, "endpackage", ""])
