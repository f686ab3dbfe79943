"""Random selectors keep the share of tokens that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from hw.ir import Network
from sim.benches.random_network import Shape, random_network, random_patches
from sim.reference import Selection, run

TOKENS, PREFIX = 18, 2


def selections(first: float, second: float, seed: int = 0) -> tuple[Selection, Selection]:
    shape = Shape(
        tokens=TOKENS, prefix=PREFIX, heads=3, density=1.0, blocks=2, selectors=(0, 1),
        kept=(first, second),
    )  # fmt: skip
    network, tensors = random_network(shape, seed)
    patches = tensors[Network.INPUT].astype(np.int8)
    one, two = run(network, patches).selections[0].values()
    return one, two


def test_none_or_all_are_kept() -> None:
    for share, kept in ((0.0, PREFIX), (1.0, TOKENS)):
        assert selections(share, 1.0)[0].tokens_kept == kept


@pytest.mark.parametrize("seed", range(3))
def test_some_are_kept(seed: int) -> None:
    one, two = selections(0.5, 0.5, seed)
    assert PREFIX < one.tokens_kept < TOKENS
    assert PREFIX < two.tokens_kept < one.tokens_kept


def test_package_token_is_never_kept() -> None:
    one, two = selections(0.5, 1.0)
    assert (one.package, two.package) == (True, True)
    assert two.tokens_kept == one.tokens_kept == two.tokens_in - 1


def test_images_keep_different_numbers_of_tokens() -> None:
    shape = Shape(tokens=TOKENS, prefix=1, density=1.0, selectors=(0,))
    network, _ = random_network(shape)
    rng = np.random.default_rng(1)
    images = np.stack([random_patches(shape, rng) for _ in range(8)])
    counts = {found["selectors.0.select"].tokens_kept for found in run(network, images).selections}
    assert len(counts) > 2
