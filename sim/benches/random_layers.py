"""Random layers of a small network, put together one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.integer import quantize_multiplier
from hw.ir import Add, Attend, Embed, LayerNorm, Linear, Network, Op, Scores, Softmax, TensorSpec

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Shape:
    """Encoder blocks with a patch embedding and a head; nothing needs to divide anything."""

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
    blocks: int = 1
    selectors: tuple[int, ...] = ()
    """Blocks before which a token selector stands, in order; `blocks`: behind the last. One before
    the first block needs `prefix` or `norm_pre`."""
    kept: tuple[float, ...] = ()
    """Share of the tokens that each selector keeps of those that it may drop; else 0.5."""

    @property
    def patch_tokens(self) -> int:
        """At least one, even if `tokens` leaves none."""
        return max(self.tokens - (self.prefix or 0), 1)

    @property
    def width(self) -> int:
        return self.heads * self.head_features


class RandomLayers:
    """Operations, tensors and parameters so far; every operation's result has its name."""

    def __init__(self, shape: Shape, rng: np.random.Generator) -> None:
        self.shape = shape
        self.rng = rng
        self.tensors = {Network.INPUT: TensorSpec(shape.patch_tokens, shape.patch_features)}
        self.params: dict[str, IntArray] = {}
        self.ops: list[Op] = []
        self.block = 0

    def append(self, op: Op, spec: TensorSpec) -> str:
        """An operation whose result has its name."""
        self.ops.append(op)
        self.tensors[op.output] = spec
        return op.output

    def linear(
        self,
        name: str,
        source: str,
        features: int,
        bits: int = 8,
        groups: int = 1,
        gelu: bool = False,
        common: str | None = None,
    ) -> str:
        inputs = (source,) if common is None else (source, common)
        columns = sum(self.tensors[tensor].features for tensor in inputs)
        self.params.update(self._linear_params(name, features, columns, 8 if gelu else bits))
        if gelu:
            self.params[f"{name}.table"] = self.rng.integers(-128, 128, 256, np.int8)
        op = Linear(name, self.block, inputs, name, gelu=gelu, block_shape=self.shape.block)
        tokens = self.tensors[source].tokens
        return self.append(op, TensorSpec(tokens, features, bits, groups=groups))

    def _linear_params(
        self, name: str, outputs: int, inputs: int, bits: int
    ) -> dict[str, IntArray]:
        rng, shape = self.rng, self.shape
        if shape.extreme:
            weight = rng.choice([-128, 127], (outputs, inputs)).astype(np.int8)
            factor = rng.choice([1.0, 2.0**-30, 30000.0], outputs)
            bias = rng.choice([-(2**31), 2**31 - 1, 0], outputs)
        else:
            weight = rng.integers(-127, 128, (outputs, inputs), np.int8)
            # A product of two random int8 values has a deviation near 5400.
            spread = 5400 * np.sqrt(max(shape.density, 0.1) * inputs)
            spread *= 1 if bits == 8 else 1 / 256
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

    def norm(self, name: str, source: str, bits: int = 8) -> str:
        width = self.shape.width
        self.params[f"{name}.gain"] = self.rng.integers(8000, 16000, width).astype(np.int16)
        self.params[f"{name}.offset"] = self.rng.integers(-(2**18), 2**18, width).astype(np.int32)
        op = LayerNorm(name, self.block, (source,), name, shift=20 if bits == 8 else 14, epsilon=1)
        return self.append(op, TensorSpec(self.tensors[source].tokens, width, bits))

    def add(self, name: str, a: str, b: str) -> str:
        return self.append(Add(name, self.block, (a, b), name), self.tensors[b])

    def positions(self, name: str, source: str) -> str:
        """Prefix tokens and positions."""
        prefix, width = self.shape.prefix or 0, self.shape.width
        tokens = self.shape.patch_tokens + prefix
        first = self.rng.integers(-5000, 5000, (prefix, width)).astype(np.int16)
        position = self.rng.integers(-5000, 5000, (tokens, width)).astype(np.int16)
        position[:prefix] = 0
        self.params.update({f"{name}.prefix": first, f"{name}.position": position})
        return self.append(Embed(name, self.block, (source,), name), TensorSpec(tokens, width, 16))

    def attention(self, names: tuple[str, str, str], qkv: str) -> str:
        """Scores, softmax and the weighting of values, by their names."""
        heads, width = self.shape.heads, self.shape.width
        tokens = self.tensors[qkv].tokens
        scores, softmax, attend = names
        self.append(
            Scores(scores, self.block, (qkv,), scores, heads=heads, **self._factor(0.05)),
            TensorSpec(tokens, heads * tokens, 16, groups=heads),
        )
        self.append(
            Softmax(softmax, self.block, (scores,), softmax, probability_mult=127 << 12),
            TensorSpec(tokens, heads * tokens, groups=heads),
        )
        return self.append(
            Attend(attend, self.block, (softmax, qkv), attend, heads=heads, **self._factor(0.01)),
            TensorSpec(tokens, width, groups=heads),
        )

    def _factor(self, real: float) -> dict[str, tuple[int, ...]]:
        mult, shift = quantize_multiplier(np.full(self.shape.heads, real))
        return {"mult": tuple(map(int, mult)), "shift": tuple(map(int, shift))}
