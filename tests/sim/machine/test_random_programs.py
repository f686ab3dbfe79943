"""Random shapes and masks on a small array: bit-exact, and as many cycles as the model says."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.program.compiler import compile_network
from sim.benches.random_network import Shape, random_network
from sim.cycles import CycleModel
from sim.live import counted
from sim.machine.run import Case, Conditions, run_cases
from tests.sim.machine.support import CONFIG

SHAPES = st.builds(
    Shape,
    tokens=st.integers(1, 70),
    patch_features=st.integers(1, 20),
    heads=st.integers(1, 3),
    head_features=st.integers(1, 13),
    hidden=st.integers(1, 30),
    classes=st.integers(1, 12),
    block=st.sampled_from([(4, 4), (8, 4), (4, 12)]),
    density=st.floats(0, 1),
    prefix=st.sampled_from([None, 0, 1, 2]),
    norm_pre=st.booleans(),
    mean=st.booleans(),
    extreme=st.booleans(),
)
KEPT = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])
SELECTED = st.builds(
    Shape,
    tokens=st.integers(3, 32),
    patch_features=st.integers(1, 20),
    heads=st.integers(1, 4),
    head_features=st.integers(1, 13),
    hidden=st.integers(1, 30),
    block=st.sampled_from([(4, 4), (8, 4), (4, 12)]),
    density=st.floats(0, 1),
    prefix=st.sampled_from([0, 1, 2]),
    norm_pre=st.booleans(),
    mean=st.booleans(),
    extreme=st.booleans(),
    blocks=st.just(2),
    selectors=st.sampled_from([(0,), (1,), (2,), (0, 1), (0, 1, 2)]),
    kept=st.tuples(KEPT, KEPT, KEPT),
)
"""With token selectors."""
CASES = st.tuples(SHAPES | SELECTED, st.integers(0, 2**31), st.integers(0, 60))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(CASES, min_size=8, max_size=8))
def test_any_shape_and_mask_is_exact(drawn: list[tuple[Shape, int, int]]) -> None:
    cases, models = [], []
    for shape, seed, stall in drawn:
        network, tensors = random_network(shape, seed)
        program = compile_network(network, CONFIG)
        cases.append(Case(network, program, tensors))
        cases.append(
            Case(network, program, tensors, Conditions(stall_percent=stall, seed=seed + 1))
        )
        live = counted(network, tensors)
        models.append(CycleModel(network, CONFIG).evaluate(program.kept, live).total)
    outcomes = run_cases(cases)
    assert [str(o.error or o.difference) for o in outcomes if o.error or o.difference] == []
    assert [o.total_cycles for o in outcomes[::2]] == models
