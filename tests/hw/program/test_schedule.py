"""What the instructions of a network read is what others have written there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Add, LayerNorm, Linear, Network, Softmax, TensorSpec, TokenSelect
from hw.program.isa import MODES, OPCODES, Instruction
from hw.program.layout import Memory, heads_copy
from hw.program.lowering import build_schedule, image_load
from hw.program.schedule import Entry, Schedule, spread_order, tile_grid
from sim.benches.random_network import Shape, random_network
from tests.hw.program.shapes import CONFIGS, SELECTED, SHAPES

Word = tuple[Memory, int]


class Contents:
    """Which tensor, word row and token lies in every word, as the instructions write them."""

    def __init__(self, network: Network, schedule: Schedule) -> None:
        self._network = network
        self._schedule = schedule
        self._owner: dict[Word, tuple[str, int, int]] = {}

    def load(self, name: str) -> None:
        place = self._schedule.placements[name]
        for word in range(place.words):
            owner = (name, *divmod(word, place.tokens))
            self._owner[place.memory, place.base + word] = owner

    def write(self, entry: Entry, rows: int) -> None:
        assert entry.output is not None
        i, memory = entry.instruction, self._schedule.placements[entry.output].memory
        tokens = 1 if i.opcode == OPCODES["MEAN"] else i.tokens
        for row in range(rows):
            for token in range(tokens):
                place = memory, i.out_addr + row * i.out_stride + token
                self._owner[place] = (
                    entry.output,
                    entry.first_row + row,
                    entry.first_token + token,
                )

    def check(self, names: tuple[str, ...], memory: Memory, first: int, stride: int,
              rows: int, tokens: int) -> None:  # fmt: skip
        """All words hold one of the tensors, row after row, token after token."""
        owner, first_row, first_token = self._owner[memory, first]
        assert owner in names
        for row in range(rows):
            for token in range(tokens):
                found = self._owner[memory, first + row * stride + token]
                assert found == (owner, first_row + row, first_token + token)


def check_array(network: Network, schedule: Schedule, contents: Contents, entry: Entry) -> int:
    """Check what a matrix product reads; the word rows that it writes."""
    assert entry.op is not None
    i, op, config = entry.instruction, network.ops[entry.op], schedule.config
    in_slices, out_slices = config.word_bytes // config.rows, config.word_bytes // config.cols
    depth = i.depth
    if isinstance(op, Linear):
        tiles = tile_grid(op, schedule)[0]
        if i.depth:
            memory = Memory.NORMAL if i.common_normal else Memory.FEATURES
            rows = -(-(tiles - i.depth) // in_slices)
            contents.check(op.inputs[1:], memory, i.w_addr, i.w_stride, rows, 1)
        depth = i.depth or tiles
    memory = Memory.NORMAL if i.normal else Memory.FEATURES
    contents.check(op.inputs[:1], memory, i.in_addr, i.in_stride, -(-depth // in_slices), i.tokens)
    if i.mode != MODES["STREAM"]:
        per_tile = depth if i.mode == MODES["COLUMNS"] else i.tiles
        slices = in_slices if i.mode == MODES["COLUMNS"] else out_slices
        rows = -(-per_tile // slices)
        contents.check(op.inputs[-1:], Memory.FEATURES, i.w_addr, i.w_stride, rows, i.valid)
    return -(-i.tiles // out_slices)


def check_vector(network: Network, contents: Contents, entry: Entry) -> int:
    """Check what an instruction of the vector unit reads; the word rows that it writes."""
    assert entry.op is not None
    i, op = entry.instruction, network.ops[entry.op]
    memory = Memory.SUMS if i.sums else Memory.RESIDUAL
    names = (op.output,) if i.opcode == OPCODES["STORE"] else (*op.inputs, op.output)
    if i.opcode == OPCODES["SCORE"]:
        assert isinstance(op, TokenSelect)
        contents.check(op.inputs[1:2], Memory.SUMS, i.operand, i.second_stride, i.rows, i.tokens)
        names = (heads_copy(op),)
    contents.check(names, memory, i.in_addr, i.in_stride, i.rows, i.tokens)
    if i.opcode == OPCODES["ADD"] and i.second:
        contents.check(op.inputs, Memory.SUMS, i.operand, i.second_stride, i.rows, i.tokens)
    writes = entry.output is not None and (i.opcode != OPCODES["ADD"] or i.write)
    return i.rows if writes else 0


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.one_of(SHAPES, SELECTED), st.sampled_from(list(CONFIGS.values())))
def test_operands_lie_where_instructions_look(shape: Shape, config: ArrayConfig) -> None:
    network, _ = random_network(shape)
    schedule = build_schedule(network, config)
    contents = Contents(network, schedule)
    contents.load(Network.INPUT)
    for entry in schedule.entries:
        if entry.instruction.opcode == OPCODES["LOAD"]:
            assert entry.output is not None
            contents.load(entry.output)
        elif entry.instruction.is_matmul:
            contents.write(entry, check_array(network, schedule, contents, entry))
        elif entry.instruction.is_vector:
            rows = check_vector(network, contents, entry)
            if rows:
                contents.write(entry, rows)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.one_of(SHAPES, SELECTED), st.sampled_from(list(CONFIGS.values())))
def test_layer_norms_find_the_sums_of_their_tokens(shape: Shape, config: ArrayConfig) -> None:
    """Since the last layer norm, every word row of every token has been added up once."""
    network, _ = random_network(shape)
    sums: dict[int, list[int]] = {}
    for entry in build_schedule(network, config).entries:
        i = entry.instruction
        if i.stats:
            mean = i.opcode == OPCODES["MEAN"]
            first = 0 if mean else i.first_token
            for token in range(first, first + (1 if mean else i.tokens)):
                sums[token] = ([] if i.fresh else sums[token]) + [
                    entry.first_row + r for r in range(i.rows)
                ]
        if i.opcode == OPCODES["LAYERNORM"]:
            assert all(sums.pop(token) == list(range(i.rows)) for token in range(i.tokens))


@pytest.fixture(params=CONFIGS.values(), ids=list(CONFIGS))
def instructions(request: pytest.FixtureRequest) -> list[Instruction]:
    network, _ = random_network(Shape(tokens=39, prefix=1))
    return build_schedule(network, request.param).instructions


def test_instructions_are_numbered_and_end_last(instructions: list[Instruction]) -> None:
    assert [i.id for i in instructions] == list(range(len(instructions)))
    assert instructions[-1].opcode == OPCODES["END"]
    assert instructions[-2].opcode == OPCODES["STORE"]


def test_chunks_of_tokens_fit_the_accumulators(instructions: list[Instruction]) -> None:
    tokens = [i.tokens for i in instructions if i.is_matmul]
    assert max(tokens) <= 16
    assert min(t for t in tokens if t > 1) >= 12, "parts of 39 tokens are nearly equal"


def test_array_computes_next_heads_scores_before_values() -> None:
    """So that a head's softmax hides behind the next one's scores."""
    network, _ = random_network(Shape(heads=3))
    entries = build_schedule(network, CONFIGS["4x4"]).entries
    names = [network.ops[e.op].name for e in entries if e.op is not None]
    attention = [n for n in names if n in ("scores", "softmax", "attend")]
    assert attention == [
        *("scores", "softmax"), *("scores", "softmax"), "attend",
        *("scores", "softmax"), "attend", "attend",
    ]  # fmt: skip


def test_image_goes_to_the_input() -> None:
    network, _ = random_network(Shape())
    schedule = build_schedule(network, CONFIGS["4x4"])
    load, place = image_load(schedule, network), schedule.placements[Network.INPUT]
    assert (load.out_addr, load.operand, load.wide) == (place.base, place.words, 0)


def test_light_tiles_are_spread_among_the_others() -> None:
    light = np.array([True, True, False, False, False, False])
    order = spread_order(light)
    assert sorted(order) == list(range(6))
    assert light[order].tolist() == [False, True, False, False, True, False]


def changed(kind: type, **fields: int) -> Network:
    """A network whose first operation of a kind differs."""
    network, _ = random_network(Shape(prefix=1))
    for index, op in enumerate(network.ops):
        if isinstance(op, kind):
            network.ops[index] = kind(**{**vars(op), **fields})
            return network
    raise AssertionError(kind)


def test_epsilon_too_wide_is_refused() -> None:
    with pytest.raises(UserError, match="norm1: epsilon=281474976710656 has more than 48 bits"):
        build_schedule(changed(LayerNorm, epsilon=1 << 48), CONFIGS["4x4"])


def test_probability_too_fine_is_refused() -> None:
    with pytest.raises(UserError, match=r"softmax: probability_mult=.* has more than 24 bits"):
        build_schedule(changed(Softmax, probability_mult=1 << 24), CONFIGS["4x4"])


def test_layer_on_an_int16_tensor_is_refused() -> None:
    network, _ = random_network(Shape())
    network.tensors["norm1"] = TensorSpec(10, 16, 16)
    with pytest.raises(UserError, match="qkv: reads an int16 tensor"):
        build_schedule(network, CONFIGS["4x4"])


def test_addition_of_two_results_of_the_vector_unit_is_refused() -> None:
    network, _ = random_network(Shape(prefix=1))
    index = next(n for n, op in enumerate(network.ops) if op.name == "add2")
    network.ops[index] = Add("add2", 0, ("add1", "positions"), "add2")
    with pytest.raises(UserError, match="add2: adds two results of the vector unit"):
        build_schedule(network, CONFIGS["4x4"])


def test_softmax_outside_of_attention_is_refused() -> None:
    network, _ = random_network(Shape())
    index = next(n for n, op in enumerate(network.ops) if op.name == "attend")
    proj = network.ops[index + 1]
    network.ops[index : index + 2] = [replace(proj, inputs=("norm1",))]
    with pytest.raises(UserError, match="outside of attention"):
        build_schedule(network, CONFIGS["4x4"])
