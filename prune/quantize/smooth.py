"""Moving scale and offset of channels between layers, so that one int8 scale suits them all.

Where a layer norm or the values of attention feed a linear layer, channel c may be replaced by
`(x_c - shift_c) / factor_c`, when the producer's gain and offset and the consumer's weight and bias
change along: the network computes the same. Shifts center each channel's range (Outlier
Suppression+, Wei et al. 2023, arXiv:2304.09145), factors share its width between activation and
weight (SmoothQuant, Xiao et al. 2023, arXiv:2211.10438, equation 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from hw.quantization import Floats, RealNorm
from prune.quantize.linear import RealLinear, real_norm
from prune.quantize.observe import Site

STRENGTH = 0.75
"""Share of the width that goes to the weights; measured best of 0 to 1 on trained ViTs."""
_FACTOR_LIMIT = 32.0
_NOISE = 1e-5
"""Share of its peak below which a channel's width is rounding of float32, not a signal."""


@dataclass(frozen=True)
class Smoothing:
    """Shift and positive factor of every channel."""

    shift: Floats
    factor: Floats

    @staticmethod
    def between(site: Site, consumer: RealLinear) -> Smoothing:
        """What suits the activations of `site`, the input of `consumer`."""
        width = (site.high - site.low) / 2
        weight = np.abs(consumer.weight).max(axis=0)
        varies = width > _NOISE * np.maximum(np.abs(site.high), np.abs(site.low))
        used = varies & (weight > 0)
        logarithm = np.zeros_like(width)
        if used.any():
            logarithm[used] = STRENGTH * np.log(width[used]) - (1 - STRENGTH) * np.log(weight[used])
            logarithm[used] -= logarithm[used].mean()
        # A channel that is constant or read by nobody must not claim the other side's range.
        logarithm[~varies] = -np.log(_FACTOR_LIMIT)
        logarithm[weight == 0] = np.log(_FACTOR_LIMIT)
        factor = np.clip(np.exp(logarithm), 1 / _FACTOR_LIMIT, _FACTOR_LIMIT)
        return Smoothing((site.high + site.low) / 2, factor)

    @staticmethod
    def constant(shift: float, channels: int) -> Smoothing:
        """One shift for all channels."""
        return Smoothing(np.full(channels, shift), np.ones(channels))

    @staticmethod
    def attention(qkv: Site, heads: int, values: Smoothing) -> Smoothing:
        """Of the channels q, k, v of all heads, given that of the values.

        A shift of k adds the same to all scores of a row, which softmax ignores; a factor of k may
        be taken back by q.
        """
        query, key, _ = np.split(np.arange(len(qkv.low)), 3)
        widths = np.stack([(qkv.high - qkv.low)[part] for part in (query, key)])
        balance = np.sqrt(np.divide(*np.where(widths > 0, widths, 1.0)[::-1]))  # k over q
        by_head = balance.reshape(heads, -1)
        balance = (by_head / np.exp(np.log(by_head).mean(axis=1, keepdims=True))).reshape(-1)
        balance = np.clip(balance, 1 / _FACTOR_LIMIT, _FACTOR_LIMIT)
        center = (qkv.high + qkv.low) / 2
        return Smoothing(
            np.concatenate([np.zeros(len(query)), center[key], values.shift]),
            np.concatenate([1 / balance, balance, values.factor]),
        )

    def site(self, site: Site) -> Site:
        """The channels as the consumer now gets them."""
        return site.affine(self.shift, self.factor)

    def producer(self, layer: RealLinear) -> RealLinear:
        """The linear layer that makes the channels."""
        return RealLinear(
            layer.weight / self.factor[:, None], (layer.bias - self.shift) / self.factor
        )

    def norm(self, norm: nn.LayerNorm) -> RealNorm:
        """The layer norm that makes the channels."""
        real = real_norm(norm)
        return RealNorm(
            real.gain / self.factor, (real.offset - self.shift) / self.factor, real.epsilon
        )

    def consumer(self, layer: RealLinear) -> RealLinear:
        """The linear layer that takes them."""
        return RealLinear(layer.weight * self.factor, layer.bias + layer.weight @ self.shift)
