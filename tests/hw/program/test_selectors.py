"""What the program of a network with token selectors looks like."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Linear, Network, TokenSelect
from hw.program.compiler import compile_network
from hw.program.disassembler import disassemble, listing
from hw.program.isa import OPCODES, Instruction
from hw.program.layout import heads_copy
from hw.program.lowering import build_schedule
from hw.program.schedule import Entry, Schedule, common_start, tile_weights
from sim.benches.random_network import Shape, random_network
from tests.hw.program.shapes import CONFIGS, SELECTED

CONFIG = CONFIGS["4x4"]
TWO = Shape(tokens=12, prefix=1, blocks=2, selectors=(0, 1), heads=3, head_features=5)


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(TWO)[0]


@pytest.fixture(scope="module")
def entries(network: Network) -> tuple[Entry, ...]:
    return build_schedule(network, CONFIG).entries


def named(network: Network, entries: tuple[Entry, ...], start: str) -> list[tuple[str, Entry]]:
    """Entries of the operations of a selector, with the operation's last name."""
    found = [(network.ops[e.op].name, e) for e in entries if e.op is not None]
    return [(name.rpartition(".")[2], e) for name, e in found if name.startswith(start)]


def opcodes(found: list[tuple[str, Entry]]) -> list[tuple[str, str]]:
    names = {value: key for key, value in OPCODES.items()}
    return [(name, names[entry.instruction.opcode]) for name, entry in found]


def test_both_units_work_on_a_selector_together(
    network: Network, entries: tuple[Entry, ...]
) -> None:
    """The mean is under way while the array computes what does not need it."""
    found = [entry for entry in opcodes(named(network, entries, "selectors.1"))]
    assert found == [
        ("norm", "LAYERNORM"),
        ("mean", "MEAN"), ("norm_mean", "LAYERNORM"),
        ("heads1", "MATMUL"), ("local", "MATMUL"), ("heads2", "MATMUL"), ("select", "ADD"),
        ("common", "MATMUL"), ("mix", "MATMUL"), ("squeeze", "MATMUL"), ("keep", "MATMUL"),
        ("select", "SCORE"), ("select", "SELECT"),
    ]  # fmt: skip


def test_layer_norm_behind_a_selection_finds_its_sums(
    network: Network, entries: tuple[Entry, ...]
) -> None:
    for before, entry in pairwise(entries):
        if before.instruction.opcode == OPCODES["SELECT"]:
            assert (before.instruction.stats, before.instruction.fresh) == (1, 1)
            assert entry.instruction.opcode == OPCODES["LAYERNORM"]


def test_selection_directly_follows_its_scores(entries: tuple[Entry, ...]) -> None:
    found = [entry.instruction.opcode for entry in entries]
    scores = [n for n, opcode in enumerate(found) if opcode == OPCODES["SCORE"]]
    assert [n + 1 for n in scores] == [
        n for n, opcode in enumerate(found) if opcode == OPCODES["SELECT"]
    ]
    assert len(scores) == 2


def test_scores_get_threshold_and_prefix(network: Network, entries: tuple[Entry, ...]) -> None:
    for entry in entries:
        if entry.instruction.opcode == OPCODES["SCORE"]:
            assert entry.op is not None
            op = network.ops[entry.op]
            assert isinstance(op, TokenSelect)
            assert entry.instruction.threshold == op.threshold
            assert entry.instruction.first_token == op.prefix == 1
            assert entry.instruction.valid == 3


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(SELECTED, st.sampled_from(list(CONFIGS.values())))
def test_instructions_on_all_live_tokens_say_so(shape: Shape, config: ArrayConfig) -> None:
    """Those that take the tokens of a tensor behind a selector; one token is no such."""
    network, _ = random_network(shape)
    selected_by, behind = network.selected_by(), False
    for entry in build_schedule(network, config).entries:
        i = entry.instruction
        if i.opcode in (OPCODES["LOAD"], OPCODES["STORE"], OPCODES["END"], OPCODES["SELECT"]):
            behind |= i.opcode == OPCODES["SELECT"]
            assert not i.live
            continue
        assert entry.op is not None
        op = network.ops[entry.op]
        assert i.live == (selected_by[op.inputs[0]] != "" and op.kind != "select")
        assert not i.live or behind


def test_live_mean_keeps_the_prefix_out() -> None:
    network, _ = random_network(replace(TWO, mean=True, prefix=2))
    *_, mean = (
        e.instruction
        for e in build_schedule(network, CONFIG).entries
        if e.instruction.opcode == OPCODES["MEAN"]
    )
    assert (mean.live, mean.first_token, mean.tokens) == (1, 2, 10)


def test_stored_mean_of_live_tokens_is_one_token() -> None:
    network, _ = random_network(replace(TWO, mean=True))
    cut = next(n for n, op in enumerate(network.ops) if op.name == "mean") + 1
    shorter = Network("cut", network.image, network.ops[:cut], network.tensors, network.params)
    *_, mean, store, _ = build_schedule(shorter, CONFIG).entries
    assert (mean.instruction.live, store.instruction.live) == (1, 0)
    assert store.instruction.tokens == 1


def test_heads_are_copied_for_the_scores(network: Network, entries: tuple[Entry, ...]) -> None:
    copies = [e for e in entries if e.copies is not None and "heads2" in e.copies]
    scores = [e for e in entries if e.instruction.opcode == OPCODES["SCORE"]]
    assert [e.output for e in copies] == ["selectors.0.select.heads", "selectors.1.select.heads"]
    assert [e.instruction.out_addr for e in copies] == [e.instruction.in_addr for e in scores]


def products(network: Network, config: ArrayConfig) -> tuple[Linear, Schedule, Instruction]:
    schedule = build_schedule(network, config)
    index = next(n for n, op in enumerate(network.ops) if op.name == "selectors.0.mix")
    op = network.ops[index]
    assert isinstance(op, Linear)
    return op, schedule, next(e.instruction for e in schedule.entries if e.op == index)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(1, 4), st.integers(1, 20), st.sampled_from(list(CONFIGS.values())))
def test_tiles_of_the_common_token_follow_the_others(
    heads: int, head_features: int, config: ArrayConfig
) -> None:
    """Tile by tile the product is that of both inputs, whatever lies in their padding."""
    shape = Shape(tokens=5, prefix=1, heads=heads, head_features=head_features, selectors=(0,))
    network, tensors = random_network(shape)
    op, schedule, instruction = products(network, config)
    word = config.word_bytes
    x, common = (
        schedule.placements[name].to_rows(tensors[name].astype(np.int64), word)
        for name in op.inputs
    )
    weights = tile_weights(op, network, schedule)
    acc = np.zeros((5, weights.shape[1] * config.cols), np.int64)
    slices = word // config.rows
    for index in range(weights.shape[0]):
        tile = index - instruction.depth
        source = x if tile < 0 else common
        row, part = divmod(index if tile < 0 else tile, slices)
        tokens = source[row, :, part * config.rows : (part + 1) * config.rows]
        acc += tokens @ weights[index].transpose(1, 0, 2).reshape(config.rows, -1)
    inputs = [tensors[op.inputs[0]], np.repeat(tensors[op.inputs[1]], 5, axis=0)]
    expected = np.concatenate(inputs, axis=1).astype(np.int64) @ network.param(op, "weight").T
    assert np.array_equal(acc[:, : expected.shape[1]], expected)
    assert instruction.depth == common_start(op, schedule) > 0


def test_common_token_may_be_a_layer_norm() -> None:
    network, _ = random_network(TWO)
    index = next(n for n, op in enumerate(network.ops) if op.name == "selectors.0.mix")
    op = network.ops[index]
    network.ops[index] = replace(op, inputs=(op.inputs[0], "selectors.0.norm_mean"))
    assert products(network, CONFIG)[2].common_normal == 1


def test_tables_of_16_bits_are_wide(network: Network, entries: tuple[Entry, ...]) -> None:
    for name, entry in named(network, entries, "selectors."):
        if name in ("keep", "heads2"):
            assert (entry.instruction.gelu, entry.instruction.wide) == (1, 1)


def test_too_many_tokens_for_one_pass_are_refused() -> None:
    network, _ = random_network(replace(TWO, tokens=17))
    with pytest.raises(UserError, match=r"among 17 tokens.*acc_depth=16; set ACC_DEPTH"):
        build_schedule(network, CONFIG)


def test_selection_from_the_array_is_refused() -> None:
    """Without positions the residual stream comes from the array."""
    network, _ = random_network(replace(TWO, prefix=None, selectors=(0,)))
    with pytest.raises(UserError, match="embed is not an int16 result of the vector unit"):
        build_schedule(network, CONFIG)


def test_result_of_live_tokens_is_refused(network: Network) -> None:
    cut = next(n for n, op in enumerate(network.ops) if op.name == "blocks.1.add2") + 1
    shorter = Network("cut", network.image, network.ops[:cut], network.tensors, network.params)
    with pytest.raises(UserError, match="as many tokens as a selector leaves"):
        build_schedule(shorter, CONFIG)


def test_listing_shows_selectors(network: Network) -> None:
    program = compile_network(network, CONFIG)
    found = list(disassemble(program.stream.tobytes(), CONFIG))
    text = list(listing(found, [""] * len(found)))
    select = next(op for op in network.ops if isinstance(op, TokenSelect))
    place = program.schedule.placements
    score = next(line for line in text if "SCORE" in line)
    assert f"threshold={select.threshold} prefix=1" in score
    assert f" {place[heads_copy(select)].base} " in score
    assert f" {place[select.inputs[1]].base} " in score
    assert any("common=" in line and "STREAM" in line for line in text)
    assert any("MATMUL" in line and "live" in line for line in text)
    assert any(line.count("SELECT") for line in text)
