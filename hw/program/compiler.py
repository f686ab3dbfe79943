"""From a schedule and weights to the program: the stream of bytes that the machine reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Attend, Embed, LayerNorm, Linear, Network, Scores
from hw.program.isa import OPCODES, TABLE_BYTES, Instruction, encode, encode_tile, instruction_bytes
from hw.program.lowering import build_schedule, image_load
from hw.program.schedule import (
    Entry,
    Kept,
    Schedule,
    nonzero_tiles,
    tile_grid,
    tile_order,
    tile_weights,
)

Bytes = NDArray[np.uint8]
REGION_BYTES = 4096
"""Image record, program and result start at multiples of it."""


@dataclass(frozen=True)
class Program:
    """A schedule, its kept tiles, and its bytes.

    DRAM holds the image record from byte 0, then the program, then room for the result.
    """

    schedule: Schedule
    kept: dict[str, Kept]
    stream: Bytes
    image: Instruction
    """The instruction at the head of an image record."""
    base: int
    """First byte of the program in DRAM."""
    result_base: int
    result_words: int
    """Words of the result, `store_bytes` apart."""

    @property
    def beats(self) -> int:
        return self.stream.size // self.schedule.config.mem_bytes

    @property
    def image_beats(self) -> int:
        """Length of an image record."""
        return record_bytes(self.image, self.schedule.config) // self.schedule.config.mem_bytes

    @property
    def dram_bytes(self) -> int:
        return self.result_base + self.result_words * self.schedule.config.store_bytes

    def image_record(self, patches: NDArray[np.int8], input_name: str) -> Bytes:
        """The record of an image: int8 patches (tokens, features)."""
        config = self.schedule.config
        words = self.schedule.placements[input_name].to_rows(patches, config.word_bytes)
        record = np.concatenate([_words(encode(self.image), config.line_bytes), _data(words)])
        size = record_bytes(self.image, config)
        return np.pad(record, (0, size - record.size))


def record_bytes(load: Instruction, config: ArrayConfig) -> int:
    """Bytes of an image record: whole bursts. Lines of zeros behind it are skipped."""
    size = instruction_bytes(config) + load.operand * config.word_bytes
    return -(-size // config.burst_bytes) * config.burst_bytes


def _data(values: NDArray[np.generic]) -> Bytes:
    """Little-endian bytes of an array in its order."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8)


def _lines(data: Bytes, line_bytes: int) -> Bytes:
    return np.pad(data, (0, -data.size % line_bytes))


def _words(values: list[int] | NDArray[np.integer], line_bytes: int) -> Bytes:
    return _lines(np.asarray(values, "<u4").view(np.uint8), line_bytes)


def _tile_header(
    blocks: int,
    place: int,
    bias: NDArray[np.integer],
    mult: NDArray[np.integer],
    shift: NDArray[np.integer],
    line_bytes: int,
) -> Bytes:
    scales = mult.astype(np.uint32) | shift.astype(np.uint32) << 16
    params = np.concatenate([_data(bias.astype(np.int32)), _data(scales)])
    return np.concatenate([_words([encode_tile(blocks, place)], line_bytes), params])


@dataclass(frozen=True)
class _LayerTiles:
    """A linear layer cut into tiles, with the parameters of its output tiles."""

    tiles: NDArray[np.int8]
    """(input tiles, output tiles, rows, cols)"""
    kept: Kept
    params: dict[str, NDArray[np.integer]]
    """bias, mult and shift, each (output tiles, cols)."""
    config: ArrayConfig

    @staticmethod
    def of(op: Linear, network: Network, schedule: Schedule) -> _LayerTiles:
        config, target = schedule.config, schedule.placements[op.output]
        out_tiles = tile_grid(op, schedule)[1]
        params: dict[str, NDArray[np.integer]] = {}
        for suffix in ("bias", "mult", "shift"):
            values = network.param(op, suffix)
            padded = np.zeros(out_tiles * config.cols, values.dtype)
            padded[target.positions(config.word_bytes)] = values
            params[suffix] = padded.reshape(out_tiles, config.cols)
        tiles = tile_weights(op, network, schedule)
        return _LayerTiles(tiles, nonzero_tiles(tiles), params, config)

    def stream(self, entry: Entry) -> Iterator[Bytes]:
        """The records of the output tiles of an instruction, in the order of `tile_order`."""
        line, config = self.config.line_bytes, self.config
        natural = np.asarray(entry.tiles)
        for place in tile_order(self.kept.sum(axis=0)[natural], entry.instruction, config):
            n = natural[place]
            index = np.flatnonzero(self.kept[:, n])
            header = np.zeros((index.size, line), np.uint8)
            header[:, :4] = index.astype("<u4").view(np.uint8).reshape(-1, 4)
            payload = self.tiles[index, n].reshape(index.size, config.pes).view(np.uint8)
            bias, mult, shift = (self.params[suffix][n] for suffix in ("bias", "mult", "shift"))
            yield _tile_header(index.size, int(place), bias, mult, shift, line)
            yield np.concatenate([header, payload], axis=1).ravel()


def _attention_tile(mult: int, shift: int, blocks: int, config: ArrayConfig) -> Bytes:
    return _tile_header(
        blocks,
        0,  # read in `STREAM` mode only
        np.zeros(config.cols, np.int32),
        np.full(config.cols, mult, np.uint16),
        np.full(config.cols, shift, np.uint8),
        config.line_bytes,
    )


def _embedding_words(op: Embed, network: Network, schedule: Schedule) -> Bytes:
    """Prefix tokens, then the positions of the patch tokens, as words of the residual memory."""
    prefix, position = network.param(op, "prefix"), network.param(op, "position")
    values = np.concatenate([prefix, position[len(prefix) :]])
    return _data(schedule.placements[op.output].to_rows(values, schedule.config.word_bytes))


def _norm_rows(op: LayerNorm, network: Network, config: ArrayConfig) -> Bytes:
    """For every word row, the gains of its features, then their offsets; 0 behind the last."""
    word = config.word_bytes
    gain, offset = network.param(op, "gain"), network.param(op, "offset")
    padding = (0, -len(gain) % word)
    gains = np.pad(gain.astype("<i2"), padding).reshape(-1, word).view(np.uint8)
    offsets = np.pad(offset.astype("<i4"), padding).reshape(-1, word).view(np.uint8)
    return np.concatenate([gains, offsets], axis=1).ravel()


def _payload(
    entry: Entry, network: Network, schedule: Schedule, layers: dict[str, _LayerTiles]
) -> Iterator[Bytes]:
    """What follows an instruction in the stream."""
    if entry.op is None:
        return
    op, config, instruction = network.ops[entry.op], schedule.config, entry.instruction
    if instruction.opcode == OPCODES["LOAD"] and isinstance(op, Embed):
        yield _embedding_words(op, network, schedule)
    elif instruction.opcode == OPCODES["LAYERNORM"] and isinstance(op, LayerNorm):
        yield _norm_rows(op, network, config)
    elif isinstance(op, Linear) and instruction.is_matmul:
        if op.gelu:
            table = _lines(network.param(op, "table").view(np.uint8), config.line_bytes)
            assert table.size == TABLE_BYTES
            yield table
        yield from layers[op.name].stream(entry)
    elif isinstance(op, Scores | Attend) and instruction.is_matmul:
        head = entry.first_row // schedule.placements[op.output].group_words
        tile = _attention_tile(op.mult[head], op.shift[head], instruction.depth, config)
        yield from [tile] * instruction.tiles


def _align(size: int) -> int:
    return -(-size // REGION_BYTES) * REGION_BYTES


def compile_network(network: Network, config: ArrayConfig) -> Program:
    """Compile the IR for one geometry.

    Raises:
        UserError: when the network does not fit the machine.
    """
    schedule = build_schedule(network, config)
    layers = {op.name: _LayerTiles.of(op, network, schedule) for op in network.linears()}
    image = image_load(schedule, network)
    base = _align(record_bytes(image, config))
    payloads = [list(_payload(entry, network, schedule, layers)) for entry in schedule.entries]
    sizes = [instruction_bytes(config) + sum(p.size for p in payload) for payload in payloads]
    size = -(-sum(sizes) // config.mem_bytes) * config.mem_bytes
    result_base = _align(base + size)
    entries = tuple(
        replace(entry, instruction=replace(entry.instruction, out_addr=result_base))
        if entry.instruction.opcode == OPCODES["STORE"]
        else entry
        for entry in schedule.entries
    )
    parts: list[Bytes] = []
    for entry, payload in zip(entries, payloads, strict=True):
        parts.append(_words(encode(entry.instruction), config.line_bytes))
        parts.extend(payload)
    stream = np.concatenate(parts)
    return Program(
        schedule=replace(schedule, entries=entries),
        kept={name: layer.kept for name, layer in layers.items()},
        stream=np.pad(stream, (0, size - stream.size)),
        image=image,
        base=base,
        result_base=result_base,
        result_words=schedule.placements[network.output].words,
    )
