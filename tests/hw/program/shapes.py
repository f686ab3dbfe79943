"""Networks and geometries for the tests of programs."""

from __future__ import annotations

from hypothesis import strategies as st

from hw.config import ArrayConfig
from sim.benches.random_network import Shape

CONFIGS = {
    "4x4": ArrayConfig(rows=4, cols=4, acc_depth=16, act_words=16384),
    "8x16": ArrayConfig(rows=8, cols=16, lanes=4, acc_depth=16, act_words=16384, mem_bytes=4),
    "16x8": ArrayConfig(rows=16, cols=8, acc_depth=16, act_words=16384, mem_bytes=32),
}

SHAPES = st.builds(
    Shape,
    tokens=st.integers(1, 40),
    patch_features=st.integers(1, 20),
    heads=st.integers(1, 4),
    head_features=st.integers(1, 20),
    hidden=st.integers(1, 30),
    classes=st.integers(1, 12),
    block=st.sampled_from([(4, 4), (8, 4), (4, 12)]),
    density=st.floats(0, 1),
    prefix=st.sampled_from([None, 0, 1, 2]),
    norm_pre=st.booleans(),
    mean=st.booleans(),
)

SELECTED = st.builds(
    Shape,
    tokens=st.integers(1, 16),
    patch_features=st.integers(1, 20),
    heads=st.integers(1, 4),
    head_features=st.integers(1, 20),
    hidden=st.integers(1, 30),
    classes=st.integers(1, 12),
    block=st.sampled_from([(4, 4), (8, 4), (4, 12)]),
    density=st.floats(0, 1),
    prefix=st.integers(0, 2),
    norm_pre=st.booleans(),
    mean=st.booleans(),
    selectors=st.sampled_from([(0,), (1,), (2,), (0, 1), (1, 2)]),
    blocks=st.just(2),
    kept=st.tuples(st.sampled_from([0, 0.3, 0.7, 1]), st.sampled_from([0, 0.3, 0.7, 1])),
).filter(lambda shape: shape.tokens > (shape.prefix or 0))
"""With one or two token selectors, whose tokens fit the accumulators."""
