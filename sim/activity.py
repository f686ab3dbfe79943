"""How often each part of the machine is used by an operation: what traffic and energy come from.

Counts follow the RTL: a memory gives whole words, whatever part of them is used, and all columns
and lanes work, whether they hold a feature or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from hw.config import ArrayConfig
from hw.ir import Linear, Network, TokenSelect
from hw.program.compiler import record_bytes
from hw.program.isa import (
    MODES,
    OPCODES,
    TABLE_BYTES,
    Instruction,
    data_bytes,
    instruction_bytes,
    tile_head_bytes,
)
from hw.program.lowering import image_load
from hw.program.schedule import Entry, Kept, Schedule
from sim.live import LiveCounts, LiveProgram, all_live

END = "end"
"""Key of what belongs to no operation: the end of the program."""
ACCUMULATOR_BITS = 32
TOTAL_BITS, SQUARE_BITS, FACTOR_BITS = 28, 44, 33
"""What the vector unit keeps for a token: `total_mem`, `square_mem`, `factor_mem`."""
DATA_PASSES = {
    "ADD": 1, "LAYERNORM": 1, "SOFTMAX": 3, "MEAN": 1, "STORE": 1, "SCORE": 1, "SELECT": 1
}  # fmt: skip
"""How often an instruction of the vector unit reads its operand."""


@dataclass(frozen=True)
class Activity:
    """Counts that add up: over instructions, operations, networks. Memories in bits."""

    macs: int = 0
    """Products of the array, padding inside kept tiles included."""
    requantized: int = 0
    """Results that passed the output stage."""
    accumulator_read: int = 0
    accumulator_written: int = 0
    features_read: int = 0
    """Tokens into the array."""
    operand_read: int = 0
    """The features memory again: keys and values that serve as weights."""
    features_written: int = 0
    normal_read: int = 0
    normal_written: int = 0
    sums_read: int = 0
    sums_written: int = 0
    residual_read: int = 0
    residual_written: int = 0
    norm_read: int = 0
    """Gains and offsets of layer norms."""
    norm_written: int = 0
    state_read: int = 0
    """Sums, maxima and reciprocals of the vector unit, a token each."""
    state_written: int = 0
    lane_adds: int = 0
    """int16 additions, subtractions and comparisons of the vector unit's lanes and trees."""
    lane_products: int = 0
    """Products of its lanes."""
    weight_bytes: int = 0
    """Payload of weight tiles from DRAM."""
    metadata_bytes: int = 0
    """The rest of the program."""
    image_bytes: int = 0
    result_bytes: int = 0
    """Into DRAM."""

    def __add__(self, other: Activity) -> Activity:
        return Activity(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def program_bytes(self) -> int:
        return self.weight_bytes + self.metadata_bytes

    @property
    def dram_bytes(self) -> int:
        return self.program_bytes + self.image_bytes + self.result_bytes

    @property
    def token_bytes(self) -> int:
        """Activations read, but for those that serve as weights."""
        read = self.features_read + self.normal_read + self.sums_read + self.residual_read
        return read // 8

    @property
    def written_bytes(self) -> int:
        """Results written to the four memories."""
        written = self.features_written + self.normal_written
        return (written + self.sums_written + self.residual_written) // 8


def matmul_activity(
    instruction: Instruction,
    blocks: tuple[int, ...],
    config: ArrayConfig,
    common: int = 0,
    records: int | None = None,
) -> Activity:
    """A product on the array.

    Args:
        instruction: with the counts that the machine takes.
        blocks: kept blocks of each of its output tiles.
        common: how many of them multiply the common token.
        records: output tiles in the stream, where some are of tokens that are no more.
    """
    streamed, tokens = sum(blocks), instruction.tokens
    token = tokens * 8 * config.word_bytes
    normal = common if instruction.common_normal else 0
    normal += streamed - common if instruction.normal else 0
    sums = tokens * config.cols * ACCUMULATOR_BITS
    results = instruction.tiles * tokens * config.cols
    loads = {"STREAM": 0, "ROWS": config.rows, "COLUMNS": config.cols}
    mode = next(name for name, value in MODES.items() if value == instruction.mode)
    from_dram = instruction.mode == MODES["STREAM"]
    return Activity(
        macs=streamed * config.pes * tokens,
        requantized=results,
        accumulator_read=(streamed + instruction.tiles) * sums,
        accumulator_written=streamed * sums,
        features_read=(streamed - normal) * token,
        normal_read=normal * token,
        operand_read=streamed * loads[mode] * 8 * config.word_bytes,
        features_written=0 if instruction.wide else 8 * results,
        sums_written=16 * results if instruction.wide else 0,
        weight_bytes=streamed * config.pes * from_dram,
        metadata_bytes=instruction_bytes(config)
        + instruction.gelu * TABLE_BYTES
        + (instruction.tiles if records is None else records) * tile_head_bytes(config)
        + streamed * config.line_bytes * from_dram,
    )


def load_activity(instruction: Instruction, config: ArrayConfig) -> Activity:
    """Words of the program into the features or the residual memory."""
    size = data_bytes(instruction, config)
    return Activity(
        features_written=0 if instruction.wide else 8 * size,
        residual_written=8 * size if instruction.wide else 0,
        metadata_bytes=instruction_bytes(config) + size,
    )


def vector_activity(instruction: Instruction, config: ArrayConfig, selected: int = 0) -> Activity:
    """An instruction of the vector unit, all its passes.

    Args:
        instruction: with the counts that the machine takes.
        selected: tokens that a SELECT writes.
    """
    opcode = next(name for name, value in OPCODES.items() if value == instruction.opcode)
    tokens, lanes, word = instruction.tokens, config.vector_lanes, config.word_bytes
    steps = instruction.rows * (1 if opcode == "STORE" else word // lanes) * tokens
    values = steps * lanes
    read = DATA_PASSES[opcode] * steps * 16 * word
    both = opcode == "SCORE" or (instruction.second and opcode == "ADD")
    counts = {
        "sums_read": read if instruction.sums or both else 0,
        "residual_read": 0 if instruction.sums else read,
        "metadata_bytes": instruction_bytes(config),
    }
    state = TOTAL_BITS + SQUARE_BITS
    match opcode:
        case "ADD":
            gathers = instruction.stats
            counts |= {
                "residual_written": 16 * values * instruction.write,
                # the sum; for a layer norm the trees of values and of squares
                "lane_adds": values * (1 + 2 * gathers),
                "lane_products": values * gathers,
                "state_read": steps * state * gathers,
                "state_written": steps * state * gathers,
            }
        case "LAYERNORM":
            target = "residual_written" if instruction.wide else "normal_written"
            size = data_bytes(instruction, config)
            counts |= {
                target: values * (16 if instruction.wide else 8),
                # centred by the mean, offset; channels, reciprocal, gain
                "lane_adds": 2 * values,
                "lane_products": 3 * values,
                "norm_read": 8 * size * (word // lanes),
                "norm_written": 8 * size,
                "state_read": tokens * state + steps * (TOTAL_BITS + FACTOR_BITS),
                "state_written": tokens * FACTOR_BITS,
            }
            counts["metadata_bytes"] += size
        case "SOFTMAX":
            counts |= {
                "normal_written": 8 * values,
                # maximum; distance and sum; distance again for the share
                "lane_adds": 4 * values,
                "lane_products": values,
                "state_read": steps * (2 * TOTAL_BITS + SQUARE_BITS + TOTAL_BITS + FACTOR_BITS)
                + tokens * SQUARE_BITS,
                "state_written": steps * state + tokens * FACTOR_BITS,
            }
        case "SCORE":
            counts |= {
                # trees of weights and of weighted votes
                "lane_adds": 2 * values,
                "lane_products": values,
                "state_read": steps * state + tokens * state,
                "state_written": steps * state + tokens * FACTOR_BITS,
            }
        case "MEAN" | "SELECT":
            written = 1 if opcode == "MEAN" else selected
            weights = 0 if opcode == "MEAN" else tokens * FACTOR_BITS
            rows, gathers = steps // max(tokens, 1), instruction.stats
            results = written * rows * lanes
            counts |= {
                "residual_written": 16 * results,
                # the package's sum; a result; trees of results and of squares
                "lane_adds": values + results * (1 + 2 * gathers),
                "lane_products": values + results * gathers,
                "state_read": weights
                + (steps * FACTOR_BITS if weights else 0)
                + written * rows * state * gathers,
                "state_written": weights + written * rows * state * gathers,
            }
        case "STORE":
            counts["result_bytes"] = steps * 2 * word
    return Activity(**counts)


def _blocks(entry: Entry, instruction: Instruction, kept: Kept | None) -> tuple[int, ...]:
    if kept is None:
        return (instruction.depth,) * instruction.tiles
    return tuple(int(count) for count in kept[:, list(entry.tiles)].sum(axis=0))


def _common_blocks(entry: Entry, kept: Kept | None) -> int:
    """Kept blocks of the token that all tokens share."""
    if kept is None or not entry.instruction.depth:
        return 0
    return int(kept[entry.instruction.depth :, list(entry.tiles)].sum())


def operation_activities(
    network: Network,
    schedule: Schedule,
    kept: Mapping[str, Kept],
    live: LiveCounts | None = None,
) -> dict[str, Activity]:
    """The activity of every operation, and of the program's end (`END`).

    The image's record counts to the first operation, the store of the result to the last.

    Args:
        kept: (input tiles, output tiles) of every linear layer.
        live: tokens that come out of every `TokenSelect`; by default all stay.
    """
    config = schedule.config
    live = all_live(network) if live is None else live
    taken = LiveProgram(network, schedule).instructions(live)
    found = {op.name: Activity() for op in network.ops} | {END: Activity()}
    image = image_load(schedule, network)
    found[network.ops[0].name] += Activity(
        features_written=8 * image.operand * config.word_bytes,
        image_bytes=record_bytes(image, config),
    )
    for entry, instruction in zip(schedule.entries, taken, strict=True):
        op = None if entry.op is None else network.ops[entry.op]
        if instruction.is_matmul:
            assert op is not None
            mask = kept[op.name] if isinstance(op, Linear) else None
            blocks = _blocks(entry, instruction, mask)
            common, records = _common_blocks(entry, mask), entry.instruction.tiles
            part = matmul_activity(instruction, blocks, config, common, records)
        elif instruction.is_vector:
            selected = live[op.name] if isinstance(op, TokenSelect) else 0
            part = vector_activity(instruction, config, selected)
        elif instruction.opcode == OPCODES["LOAD"]:
            part = load_activity(instruction, config)
        else:
            part = Activity(metadata_bytes=instruction_bytes(config))
        found[END if op is None else op.name] += part
    return found
