"""Second moments of a layer's inputs, and what its weights are fitted to.

A layer is to give, from the inputs it gets now, the outputs that the dense layer gives from the
dense network's inputs: minimise 1/2 tr((W - T) H (W - T)') over W, with

    H    = sum over tokens of weight x x' / images + ridge I
    T H  = V H + sum over tokens of weight (V x_dense - V x) x' / images

where V are the dense weights. The ridge, a share of H's mean diagonal, pulls W towards V.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prune.blocks import PrunableLayer

_TOKENS = 16384
"""Tokens that are worked on together."""


@dataclass(frozen=True)
class Moments:
    """Of a layer whose inputs are followed by a constant 1 when it has a bias; float64."""

    second: Tensor
    """H (in, in), or (in + 1, in + 1) with the constant."""
    target: Tensor
    """T H (out, in) or (out, in + 1)."""


def weight_and_bias(layer: PrunableLayer) -> Tensor:
    """The matrix (out, in), followed by the bias as a column if there is one."""
    bias = layer.module.bias
    if bias is None:
        return layer.matrix()
    return torch.cat([layer.matrix(), bias.detach()[:, None]], dim=1)


def moments(
    layer: PrunableLayer,
    now: Tensor,
    images: int,
    ridge: float,
    dense: Tensor | None = None,
    token_weights: Tensor | None = None,
) -> Moments:
    """The moments of `layer`, which still has its dense weights.

    Args:
        now: its inputs (tokens, in).
        images: how many images the tokens are of.
        ridge: share of the mean diagonal that is added to it.
        dense: inputs of the dense network, of the same tokens; None: the same as `now`.
        token_weights: (tokens); None: 1 each.
    """
    matrix, weight = layer.matrix(), weight_and_bias(layer)
    constant = weight.shape[1] - now.shape[1]
    second = weight.new_zeros(weight.shape[1], weight.shape[1], dtype=torch.float64)
    # The smaller of (V x_dense - V x) x' and (x_dense - x) x' is summed up.
    through = len(matrix) < matrix.shape[1]
    drift = torch.zeros_like(weight if through else second[: -constant or None], dtype=second.dtype)
    for start in range(0, len(now), _TOKENS):
        part = slice(start, start + _TOKENS)
        x = now[part].to(weight.dtype)
        x1 = torch.cat([x, x.new_ones(len(x), constant)], dim=1)
        weighted = x1 if token_weights is None else x1 * token_weights[part, None].to(x.dtype)
        second += x1.T @ weighted
        if dense is not None:
            off = dense[part].to(x.dtype) - x
            drift += (off @ matrix.T if through else off).T @ weighted
    second /= images
    second.diagonal().add_(ridge * second.diagonal().mean())
    missing = drift if through else matrix.double() @ drift
    return Moments(second, weight.double() @ second + missing / images)
