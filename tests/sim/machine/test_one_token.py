"""Products of one token: blocks that follow each other at once add to the same accumulator."""

from __future__ import annotations

from hw.program.compiler import compile_network
from sim.benches.random_network import Shape, random_network
from sim.machine.run import Case, Conditions, run_cases
from tests.sim.machine.support import CONFIG


def test_blocks_of_one_token_add_up_while_tokens_wait() -> None:
    """A token that waits gives the loader time for the next block, which starts right behind it."""
    shape = Shape(tokens=2, heads=4, head_features=12, hidden=4, density=1.0, prefix=1)
    network, tensors = random_network(shape)
    program = compile_network(network, CONFIG)
    conditions = [Conditions(stall_percent=60, seed=seed) for seed in range(1, 5)]
    outcomes = run_cases([Case(network, program, tensors, condition) for condition in conditions])
    assert [str(o.error or o.difference) for o in outcomes if o.error or o.difference] == []
