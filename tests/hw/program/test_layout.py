"""Tensors that are needed at the same time never share a word of a memory."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Embed, Network, TokenSelect
from hw.program.grouping import group_operations
from hw.program.layout import Memory, Placement, heads_copy, place_tensors
from hw.program.lowering import build_schedule
from sim.benches.random_network import Shape, random_network
from tests.hw.program.shapes import CONFIGS, SELECTED, SHAPES

PLACEMENTS = st.builds(
    Placement,
    memory=st.sampled_from(Memory),
    base=st.integers(0, 100),
    tokens=st.integers(1, 9),
    features=st.just(0),
    groups=st.integers(1, 5),
    group_words=st.integers(1, 4),
    held=st.just(1),
)


def lifetimes(network: Network) -> dict[str, tuple[int, int]]:
    """First and last group of operations that every tensor must survive."""
    spans = {Network.INPUT: (0, 0)}
    for number, group in enumerate(group_operations(network)):
        for index in group.indices:
            op = network.ops[index]
            first = 0 if isinstance(op, Embed) else number
            spans[op.output] = (first, number)
            for name in op.inputs:
                spans[name] = (spans[name][0], number)
            if isinstance(op, TokenSelect):
                spans[heads_copy(op)] = (number, number)
    spans[network.output] = (spans[network.output][0], len(network.ops))
    return spans


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.one_of(SHAPES, SELECTED), st.sampled_from(list(CONFIGS.values())))
def test_live_tensors_do_not_overlap(shape: Shape, config: ArrayConfig) -> None:
    network, _ = random_network(shape)
    places, spans = build_schedule(network, config).placements, lifetimes(network)
    for a, b in combinations(places, 2):
        together = spans[a][0] <= spans[b][1] and spans[b][0] <= spans[a][1]
        if places[a].memory is places[b].memory and together:
            first, second = sorted((places[a], places[b]), key=lambda place: place.base)
            assert first.base + first.words <= second.base, (a, b)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.one_of(SHAPES, SELECTED), st.sampled_from(list(CONFIGS.values())))
def test_every_tensor_lies_in_its_memory(shape: Shape, config: ArrayConfig) -> None:
    network, _ = random_network(shape)
    for name, place in build_schedule(network, config).placements.items():
        assert place.base + place.words <= place.memory.words(config)
        assert place.memory.wide == (
            name not in network.tensors or network.tensors[name].bits == 16
        )


def test_each_unit_writes_memories_of_its_own() -> None:
    network, _ = random_network(Shape(prefix=1, norm_pre=True))
    places = build_schedule(network, CONFIGS["4x4"]).placements
    found = {name: place.memory.value for name, place in places.items()}
    assert found["qkv"] == found["attend"] == found["fc1"] == found[Network.INPUT] == "features"
    assert found["norm1"] == found["softmax"] == "normal"
    assert found["embed"] == found["scores"] == found["proj"] == found["head"] == "sums"
    assert found["positions"] == found["norm_pre"] == found["add1"] == "residual"


def test_at_most_two_heads_of_the_scores_are_held() -> None:
    network, _ = random_network(Shape(heads=3))
    places = build_schedule(network, CONFIGS["4x4"]).placements
    assert places["scores"].held == places["softmax"].held == 2
    assert places["scores"].group_address(2) == places["scores"].group_address(0)


def test_memory_too_small_is_named_with_its_setting() -> None:
    network, _ = random_network(Shape(tokens=300, heads=1))
    config = ArrayConfig(rows=4, cols=4, acc_depth=32, act_words=16384, wide_words=256)
    groups = [n for n, group in enumerate(group_operations(network)) for _ in group.indices]
    with pytest.raises(UserError, match=r"needs the sums memory.*wide_words=256; set WIDE_WORDS"):
        place_tensors(network, config, groups)


@given(PLACEMENTS, st.integers(1, 7), st.sampled_from([4, 8]))
def test_words_hold_every_feature_once(place: Placement, width: int, word: int) -> None:
    """`to_rows`, `positions` and `feature` agree."""
    group_features = min(width, place.group_words * word)
    place = Placement(**{**vars(place), "features": place.groups * group_features})
    values = np.arange(1, 1 + place.tokens * place.features).reshape(place.tokens, -1)
    rows = place.to_rows(values, word)
    assert rows.shape == (place.word_rows, place.tokens, word)
    found = np.zeros_like(values)
    for row in range(place.word_rows):
        for lane in range(word):
            feature = place.feature(row, lane, word)
            if feature is None:
                assert not rows[row, :, lane].any()
            else:
                found[:, feature] += rows[row, :, lane]
    assert np.array_equal(found, values)
