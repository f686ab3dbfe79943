"""Live counts: what instructions take, and what follows from it."""

from __future__ import annotations

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import Program, compile_network
from hw.program.isa import MODES, OPCODES, Instruction
from sim.activity import Activity, operation_activities
from sim.benches.random_network import Shape, random_network
from sim.cycles import CycleModel
from sim.live import LiveProgram, all_live, counted, tensor_tokens

CONFIG = ArrayConfig(rows=4, cols=4, acc_depth=32, act_words=16384)
SHAPE = Shape(tokens=21, prefix=1, blocks=2, selectors=(0, 1), kept=(0.5, 0.5))


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(SHAPE, 1)[0]


@pytest.fixture(scope="module")
def program(network: Network) -> Program:
    return compile_network(network, CONFIG)


def taken(network: Network, program: Program, *live: int) -> list[tuple[str, Instruction]]:
    """Every instruction with its operation's name, for the counts of the two selections."""
    names = dict(zip(all_live(network), live, strict=True))
    entries = program.schedule.entries
    found = LiveProgram(network, program.schedule).instructions(names)
    owners = ["end" if e.op is None else network.ops[e.op].name for e in entries]
    return list(zip(owners, found, strict=True))


def one(found: list[tuple[str, Instruction]], name: str, opcode: str) -> Instruction:
    return next(i for owner, i in found if owner == name and i.opcode == OPCODES[opcode])


def test_all_tokens_alive_changes_no_instruction(network: Network, program: Program) -> None:
    live = tuple(all_live(network).values())
    assert live == (21, 21)
    assert [i for _, i in taken(network, program, *live)] == program.schedule.instructions


def test_instructions_take_the_count_of_the_selection_before_them(
    network: Network, program: Program
) -> None:
    found = taken(network, program, 13, 6)
    assert one(found, "selectors.0.select", "SCORE").tokens == 21
    assert one(found, "selectors.0.select", "SELECT").tokens == 21
    assert one(found, "norm1", "LAYERNORM").tokens == 13
    assert one(found, "fc1", "MATMUL").tokens == 13
    assert one(found, "selectors.1.mean", "MEAN").tokens == 12  # without the prefix
    assert one(found, "selectors.1.select", "SCORE").tokens == 13
    assert one(found, "selectors.1.select", "SELECT").tokens == 13
    assert one(found, "blocks.1.fc1", "MATMUL").tokens == 6


def test_keys_and_values_are_those_of_live_tokens(network: Network, program: Program) -> None:
    found = taken(network, program, 13, 6)
    scores, attend = one(found, "scores", "MATMUL"), one(found, "attend", "MATMUL")
    assert scores.mode == MODES["COLUMNS"]
    assert (scores.tokens, scores.valid, scores.tiles) == (13, 13, 4)
    assert attend.mode == MODES["ROWS"]
    assert (attend.tokens, attend.valid, attend.depth) == (13, 13, 4)
    softmax = one(found, "softmax", "SOFTMAX")
    assert (softmax.tokens, softmax.valid, softmax.rows) == (13, 13, 4)


def test_tokens_of_tensors_follow_the_selections(network: Network) -> None:
    tokens = tensor_tokens(network, {"selectors.0.select": 13, "selectors.1.select": 6})
    assert [tokens[name] for name in ("embed", "selectors.0.select", "fc1", "blocks.1.fc1")] == [
        20,
        13,
        13,
        6,
    ]
    assert tokens["selectors.1.mean"] == tokens["head"] == 1


def test_counts_of_a_run_are_those_of_its_tensors() -> None:
    network, tensors = random_network(SHAPE, 1)
    live = counted(network, tensors)
    assert live.keys() == all_live(network).keys()
    for name, tokens in tensor_tokens(network, live).items():
        assert len(tensors[name]) == tokens


def test_fewer_live_tokens_take_fewer_cycles(network: Network, program: Program) -> None:
    model = CycleModel(network, CONFIG)
    names = list(all_live(network))
    totals = [
        model.evaluate(program.kept, dict(zip(names, live, strict=True))).total
        for live in ((21, 21), (21, 10), (10, 10), (10, 2), (2, 2))
    ]
    assert totals == sorted(totals, reverse=True)
    assert len(set(totals)) == len(totals)
    assert model.evaluate(program.kept).total == totals[0]


def test_dropped_tokens_do_no_work(network: Network, program: Program) -> None:
    names = list(all_live(network))
    found = [
        operation_activities(
            network, program.schedule, program.kept, dict(zip(names, live, strict=True))
        )
        for live in ((21, 21), (13, 6))
    ]
    whole, part = (sum(done.values(), Activity()) for done in found)
    assert part.program_bytes == whole.program_bytes
    # Sums over the tokens before the first selection do not change.
    assert found[0]["embed"] == found[1]["embed"]
    assert found[1]["fc1"].macs * 21 == found[0]["fc1"].macs * 13
    selected = [done["selectors.0.select"].residual_written for done in found]
    assert selected[0] - selected[1] == 8 * SHAPE.width * 16


def test_common_token_is_read_from_its_memory(network: Network, program: Program) -> None:
    mix = operation_activities(network, program.schedule, program.kept)["selectors.0.mix"]
    (entry,) = [
        e
        for e in program.schedule.entries
        if e.op is not None and network.ops[e.op].name == "selectors.0.mix"
    ]
    assert 0 < entry.instruction.depth < len(program.kept["selectors.0.mix"])
    blocks = int(np.count_nonzero(program.kept["selectors.0.mix"]))
    assert mix.features_read + mix.normal_read == blocks * 21 * 8 * CONFIG.word_bytes
