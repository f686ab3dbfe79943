"""Small random networks that exercise everything the machine can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.integer import quantize_multiplier
from hw.ir import (
    Add,
    Attend,
    Embed,
    ImageSpec,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TensorSpec,
)
from sim.reference import execute

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Shape:
    """One encoder block with a patch embedding and a head; nothing needs to divide anything."""

    tokens: int = 10
    patch_features: int = 20
    heads: int = 2
    head_features: int = 8
    hidden: int = 24
    classes: int = 10
    block: tuple[int, int] = (4, 4)
    density: float = 0.5
    """Share of weight blocks that are kept."""
    densities: Mapping[str, float] = field(default_factory=dict)
    """The same for single layers, by name."""
    prefix: int | None = None
    """Tokens of the embedding before those of patches; None: no position embedding either."""
    norm_pre: bool = False
    """A layer norm to int16 before the block."""
    mean: bool = False
    """The head reads the mean of all patch tokens, else the first token."""
    distilled: bool = False
    """A second head, on the second token, whose logits are added to the first's."""
    extreme: bool = False
    """Weights and patches of -128 and 127 only, factors that saturate everything."""

    @property
    def patch_tokens(self) -> int:
        """At least one, even if `tokens` leaves none."""
        return max(self.tokens - (self.prefix or 0), 1)

    @property
    def width(self) -> int:
        return self.heads * self.head_features


def _linear_params(
    rng: np.random.Generator, name: str, outputs: int, inputs: int, bits: int, shape: Shape
) -> dict[str, IntArray]:
    if shape.extreme:
        weight = rng.choice([-128, 127], (outputs, inputs)).astype(np.int8)
        factor = rng.choice([1.0, 2.0**-30, 30000.0], outputs)
        bias = rng.choice([-(2**31), 2**31 - 1, 0], outputs)
    else:
        weight = rng.integers(-127, 128, (outputs, inputs), np.int8)
        # A product of two random int8 values has a deviation near 5400.
        spread = 5400 * np.sqrt(max(shape.density, 0.1) * inputs) * (1 if bits == 8 else 1 / 256)
        factor = rng.uniform(20, 90, outputs) / spread
        bias = rng.integers(-20000, 20000, outputs)
    density = shape.densities.get(name, shape.density)
    rows, cols = shape.block
    grid = rng.random((-(-outputs // rows), -(-inputs // cols))) < density
    weight *= np.kron(grid, np.ones(shape.block, np.int8))[:outputs, :inputs].astype(np.int8)
    mult, shift = quantize_multiplier(factor)
    return {
        f"{name}.weight": weight,
        f"{name}.bias": bias.astype(np.int32),
        f"{name}.mult": mult,
        f"{name}.shift": shift,
    }


def random_network(shape: Shape, seed: int = 0) -> tuple[Network, dict[str, IntArray]]:
    """A network and all its tensors for a random image, from the reference."""
    rng = np.random.default_rng(seed)
    patches, prefix = shape.patch_tokens, shape.prefix or 0
    tokens, width, heads = patches + prefix, shape.width, shape.heads
    tensors = {Network.INPUT: TensorSpec(patches, shape.patch_features)}
    params: dict[str, IntArray] = {}
    ops: list[Op] = []

    def linear(
        name: str, source: str, features: int, bits: int = 8, groups: int = 1, gelu: bool = False
    ) -> None:
        before = tensors[source]
        params.update(_linear_params(rng, name, features, before.features, bits, shape))
        if gelu:
            params[f"{name}.table"] = rng.integers(-128, 128, 256, np.int8)
        ops.append(Linear(name, 0, (source,), name, gelu=gelu, block_shape=shape.block))
        tensors[name] = TensorSpec(before.tokens, features, bits, groups=groups)

    def norm(name: str, source: str, bits: int = 8) -> None:
        params[f"{name}.gain"] = rng.integers(8000, 16000, width).astype(np.int16)
        params[f"{name}.offset"] = rng.integers(-(2**18), 2**18, width).astype(np.int32)
        shift = 20 if bits == 8 else 14
        ops.append(LayerNorm(name, 0, (source,), name, shift=shift, epsilon=1))
        tensors[name] = TensorSpec(tensors[source].tokens, width, bits)

    def add(name: str, a: str, b: str) -> None:
        ops.append(Add(name, 0, (a, b), name))
        tensors[name] = tensors[b]

    def factor(real: float) -> dict[str, tuple[int, ...]]:
        mult, shift = quantize_multiplier(np.full(heads, real))
        return {"mult": tuple(map(int, mult)), "shift": tuple(map(int, shift))}

    def positions(name: str, source: str) -> None:
        params[f"{name}.prefix"] = rng.integers(-5000, 5000, (prefix, width)).astype(np.int16)
        position = rng.integers(-5000, 5000, (tokens, width)).astype(np.int16)
        position[:prefix] = 0
        params[f"{name}.position"] = position
        ops.append(Embed(name, 0, (source,), name))
        tensors[name] = TensorSpec(tokens, width, 16)

    def pool(source: str, index: int = 0) -> str:
        name = "mean" if shape.mean else f"select{index or ''}"
        if shape.mean:
            ops.append(MeanTokens(name, 0, (source,), name, prefix))
        else:
            ops.append(SelectToken(name, 0, (source,), name, index=index))
        tensors[name] = TensorSpec(1, width, 16)
        return name

    linear("embed", Network.INPUT, width, 16)
    stream = "embed"
    if shape.prefix is not None:
        positions("positions", stream)
        stream = "positions"
    if shape.norm_pre:
        norm("norm_pre", stream, 16)
        stream = "norm_pre"
    norm("norm1", stream)
    linear("qkv", "norm1", 3 * width, groups=3 * heads)
    ops.append(Scores("scores", 0, ("qkv",), "scores", heads=heads, **factor(0.05)))
    tensors["scores"] = TensorSpec(tokens, heads * tokens, 16, groups=heads)
    ops.append(Softmax("softmax", 0, ("scores",), "softmax", probability_mult=127 << 12))
    tensors["softmax"] = TensorSpec(tokens, heads * tokens, groups=heads)
    ops.append(Attend("attend", 0, ("softmax", "qkv"), "attend", heads=heads, **factor(0.01)))
    tensors["attend"] = TensorSpec(tokens, width, groups=heads)
    linear("proj", "attend", width, 16)
    add("add1", stream, "proj")
    norm("norm2", "add1")
    linear("fc1", "norm2", shape.hidden, gelu=True)
    linear("fc2", "fc1", width, 16)
    add("add2", "add1", "fc2")
    norm("norm", pool("add2"))
    linear("head", "norm", shape.classes, 16)
    if shape.distilled:
        norm("norm_dist", pool("add2", min(1, tokens - 1)))
        linear("head_dist", "norm_dist", shape.classes, 16)
        add("logits", "head", "head_dist")

    image = ImageSpec(1, patches, shape.patch_features, 1, 1.0, (0.0,), (1.0,))
    network = Network("random", image, ops, tensors, params)
    network.validate()
    size = (patches, shape.patch_features)
    if shape.extreme:
        values = rng.choice([-128, 127], size).astype(np.int8)
    else:
        values = rng.integers(-128, 128, size, np.int8)
    return network, {**execute(network, values), Network.INPUT: values}
