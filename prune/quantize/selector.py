"""A token selector as operations of the IR, one linear layer where the model has one a head.

Weights of the heads lie on the diagonal of one matrix, block by block. What is the same for all
tokens enters the mixing layer as its second input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from hw.integer import INT8_MAX, SCORE_MAX
from hw.ir import TensorSpec, TokenSelect
from hw.quantization import Floats
from prune.quantize.builder import Builder
from prune.quantize.linear import RealLinear
from prune.quantize.observe import Site
from prune.quantize.scales import int8_scale
from prune.quantize.smooth import Smoothing
from prune.quantize.table import Table, fit_sigmoid, fit_table
from prune.tokens.selector import HeadLinear, TokenSelector

SCORE_ONE = 2 * INT8_MAX
"""The integer score that stands for 1."""


def block_diagonal(layer: HeadLinear, inputs: slice = slice(None)) -> RealLinear:
    """The heads' layers as one, (heads * out, heads * in).

    Args:
        inputs: which of a head's input features to take.
    """
    weight = layer.weight.detach().double()[:, inputs].transpose(1, 2)
    bias = layer.bias.detach().double().flatten()
    return RealLinear(torch.block_diag(*weight).numpy(), bias.numpy())


def pooled(layer: nn.Linear, channels: int) -> RealLinear:
    """`layer`, which reads the mean of every head's channels, on the channels themselves."""
    real = RealLinear.of(layer)
    return RealLinear(np.repeat(real.weight, channels, axis=1) / channels, real.bias)


@dataclass(frozen=True)
class _Source:
    """An int8 tensor that a layer reads: real value = integer * scale + center."""

    name: str
    center: float
    mean: Floats
    """Of each feature, less the center."""


@dataclass(frozen=True)
class SelectorLowering:
    """Adds the operations of the selector before an encoder block to a network.

    Args:
        after: the `TokenSelect` before it, or "".
    """

    build: Builder
    block: int
    selector: TokenSelector
    after: str = ""

    @property
    def path(self) -> str:
        """What the names of the operations begin with."""
        return f"selectors.{self.block}"

    def lower(self, x: str, prefix: int) -> str:
        """The tokens that stay of `x`; the `TokenSelect` has the same name.

        Args:
            prefix: tokens in front that always stay.
        """
        selector, build = self.selector, self.build
        channels = build.tensors[x].features // selector.heads
        heads1, local = pooled(selector.heads1, channels), block_diagonal(selector.local)
        readers = RealLinear(
            np.concatenate([local.weight, heads1.weight]), np.concatenate([local.bias, heads1.bias])
        )
        own_mean, shared_mean = np.moveaxis(
            self._seen("mix.in").mean.reshape(selector.heads, 2, -1), 1, 0
        )
        normed, smoothing = self._norm("norm", selector.norm, x, "local", readers)
        narrow_mean = self._seen("heads2.in").mean
        narrow = self._gelu("heads1", smoothing.consumer(heads1), normed, narrow_mean)
        own = self._gelu("local", smoothing.consumer(local), normed, own_mean.ravel())

        mean = build.mean(f"{self.path}.mean", x, prefix, self.block)
        common = block_diagonal(selector.common)
        normed, smoothing = self._norm("norm_mean", selector.norm_mean, mean, "common", common)
        shared = self._gelu("common", smoothing.consumer(common), normed, shared_mean.ravel())

        mixed = self._mix(own, shared)
        squeeze = block_diagonal(selector.squeeze)
        squeezed = self._gelu("squeeze", squeeze, mixed, self._seen("keep.in").mean)
        keep = self._sigmoid("keep", block_diagonal(selector.keep), squeezed, least=0)
        heads = self._sigmoid("heads2", RealLinear.of(selector.heads2), narrow, least=1)
        name = f"{self.path}.select"
        threshold = min(max(round(SCORE_ONE * float(selector.threshold)), 0), SCORE_MAX)
        op = TokenSelect(name, self.block, (x, keep, heads), name, threshold, prefix, self.after)
        return build.append(op, build.tensors[x])

    def _seen(self, part: str) -> Site:
        return self.build.seen[f"{self.path}.{part}"]

    def _norm(
        self, part: str, norm: nn.LayerNorm, x: str, reader: str, readers: RealLinear
    ) -> tuple[_Source, Smoothing]:
        """A norm to int8, smoothed for what reads it; the layer `reader` has seen its output."""
        seen = self._seen(f"{reader}.in")
        smoothing = Smoothing.between(seen, readers)
        smooth = smoothing.site(seen)
        spec = replace(self.build.tensors[x], bits=8, scales=(int8_scale(smooth),))
        real = smoothing.norm(norm)
        name = self.build.layernorm(f"{self.path}.{part}", self.block, x, real, spec)
        return _Source(name, 0.0, smooth.mean), smoothing

    def _gelu(self, part: str, real: RealLinear, source: _Source, mean: Floats) -> _Source:
        """A linear layer with GELU, whose output has the mean `mean` (out)."""
        table = fit_table(nn.GELU(), self._seen(part).values)
        name = self._linear(part, real, source, table)
        return _Source(name, table.center_out, mean - table.center_out)

    def _mix(self, own: _Source, shared: _Source) -> _Source:
        """The layer of every token's own features and the shared ones, all in the scale of the
        first: the second's weights take up the ratio."""
        layer = self.selector.mix
        half = layer.weight.shape[1] // 2
        first, second = block_diagonal(layer, slice(half)), block_diagonal(layer, slice(half, None))
        ratio = self.build.scale(shared.name) / self.build.scale(own.name)
        # The center of the first is that of both, as far as `_linear` knows.
        bias = first.bias + second.weight.sum(axis=1) * (shared.center - own.center * ratio)
        real = RealLinear(np.concatenate([first.weight, second.weight * ratio], axis=1), bias)
        both = replace(own, mean=np.concatenate([own.mean, shared.mean / ratio]))
        table = fit_table(nn.GELU(), self._seen("mix").values)
        name = self._linear("mix", real, both, table, common=shared.name)
        return _Source(name, table.center_out, self._seen("squeeze.in").mean - table.center_out)

    def _sigmoid(self, part: str, real: RealLinear, source: _Source, least: int) -> str:
        """A linear layer with a logistic function: `least` to 127 for 0 to 1, 16 bits wide."""
        table = fit_sigmoid(self._seen(part).values, least)
        return self._linear(part, real, source, table, bits=16)

    def _linear(
        self,
        part: str,
        real: RealLinear,
        source: _Source,
        table: Table,
        common: str | None = None,
        bits: int = 8,
    ) -> str:
        """A linear layer with a table, from a source whose center goes into the bias."""
        centered = Smoothing.constant(source.center, real.weight.shape[1]).consumer(real)
        tokens = self.build.tensors[source.name].tokens
        spec = TensorSpec(tokens, len(real.bias), bits, (table.scale_out,))
        return self.build.linear(
            f"{self.path}.{part}",
            self.block,
            source.name,
            centered.less(table.center_in),
            spec,
            source.mean,
            table,
            common,
        )
