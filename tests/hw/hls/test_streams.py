"""Every stream behind a token selection has one reader."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hw.hls.lowering import LayerEntry, layer_entries
from hw.hls.streams import with_copies
from sim.benches.random_network import Shape, random_network


def copied(**shape: Any) -> list[LayerEntry]:
    network, _ = random_network(Shape(tokens=8, prefix=1, **shape))
    return with_copies([layer for group in layer_entries(network).values() for layer in group])


@pytest.mark.parametrize("selectors", [(0,), (0, 1), (1,)])
def test_selected_tokens_and_their_count_are_read_once(selectors: tuple[int, ...]) -> None:
    layers = copied(blocks=1, selectors=selectors)
    reads = Counter(name for layer in layers for name in layer["inputs"])
    written = [
        name
        for layer in layers
        if layer["class_name"] in ("TokenSelect", "CopyWords")
        for name in layer["outputs"]
    ]
    assert len(written) >= 2
    assert {name: reads[name] for name in written} == dict.fromkeys(written, 1)


def test_a_copy_stands_before_its_reader() -> None:
    known = {"patches"}
    for layer in copied(blocks=2, selectors=(0, 1)):
        assert set(layer["inputs"]) <= known, layer["name"]
        known.update(layer["outputs"])


def test_a_count_that_no_layer_needs_goes_to_the_one_that_reads_the_tokens() -> None:
    layers = copied(blocks=1, selectors=(1,))
    selection = next(layer for layer in layers if layer["class_name"] == "TokenSelect")
    reader = next(layer for layer in layers if selection["outputs"][1] in layer["inputs"])
    assert reader["class_name"] == "SelectToken"
    assert reader["inputs"] == selection["outputs"]
