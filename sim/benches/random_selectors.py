"""Random token selectors, whose thresholds are set to the number of tokens that they shall keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw.integer import SCORE_MAX
from hw.ir import MeanTokens, Network, TensorSpec, TokenSelect
from sim.benches.random_layers import RandomLayers
from sim.reference import run

DEFAULT_SHARE = 0.5


def add_selector(layers: RandomLayers, stream: str) -> str:
    """A selector before the block at hand; the selected tokens."""
    shape = layers.shape
    heads, width, name = shape.heads, shape.width, f"selectors.{layers.block}"
    half, quarter = (heads * max(shape.head_features // part, 1) for part in (2, 4))
    normed = layers.norm(f"{name}.norm", stream)
    heads1 = layers.linear(f"{name}.heads1", normed, max(heads // 2, 1), gelu=True)
    local = layers.linear(f"{name}.local", normed, half, gelu=True)
    mean = MeanTokens(f"{name}.mean", layers.block, (stream,), f"{name}.mean", shape.prefix or 0)
    layers.append(mean, TensorSpec(1, width, 16))
    norm_mean = layers.norm(f"{name}.norm_mean", mean.output)
    common = layers.linear(f"{name}.common", norm_mean, half, gelu=True)
    mix = layers.linear(f"{name}.mix", local, half, gelu=True, common=common)
    squeeze = layers.linear(f"{name}.squeeze", mix, quarter, gelu=True)
    keep = _sigmoid(layers, f"{name}.keep", squeeze)
    heads2 = _sigmoid(layers, f"{name}.heads2", heads1)
    earlier = [op.name for op in layers.ops if isinstance(op, TokenSelect)]
    select = TokenSelect(
        f"{name}.select",
        layers.block,
        (stream, keep, heads2),
        f"{name}.select",
        prefix=shape.prefix or 0,
        after=earlier[-1] if earlier else "",
    )
    return layers.append(select, layers.tensors[stream])


def _sigmoid(layers: RandomLayers, name: str, source: str) -> str:
    """A layer to 16 bits whose table rises from 0 to 127."""
    layers.linear(name, source, layers.shape.heads, 16, gelu=True)
    rising = np.sort(layers.rng.integers(0, 128, 256)).astype(np.int8)
    layers.params[f"{name}.table"] = rising
    return name


def set_thresholds(network: Network, patches: NDArray[np.int8], shares: Sequence[float]) -> None:
    """Set the thresholds of a network so that an image's selectors keep these shares of tokens.

    Tokens of one score stay together. Selectors beyond the shares keep half.

    Args:
        patches: the image, int8 (patches, features).
        shares: of the tokens that may be dropped, 0 to 1, a selector each.
    """
    chosen = iter(shares)
    for number, op in enumerate(network.ops):
        if isinstance(op, TokenSelect):
            selections = run(network, patches).selections[0]
            package = op.after != "" and selections[op.after].package
            scores = selections[op.name].scores
            droppable = np.sort(scores[op.prefix : len(scores) - int(package)])
            dropped = len(droppable) - round(next(chosen, DEFAULT_SHARE) * len(droppable))
            lowest = [*droppable, SCORE_MAX][dropped] if dropped else 0
            network.ops[number] = replace(op, threshold=int(lowest))
