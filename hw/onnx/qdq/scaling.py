"""Factors and shifts that the layer before them can take up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.onnx.qdq.values import Mixed, Norm, Pixels, Product, ScoreRows, Sum, Tensor, View
from hw.quantization import Floats


def settle(view: View, name: str) -> View:
    """The same value without factor and shift.

    Raises:
        Unmapped: what makes the tensor cannot take them up.
    """
    tensor = view.tensor
    if view.factor != 1.0:
        tensor = scaled(tensor, np.full(tensor.features, view.factor), name)
    if view.shift != 0.0:
        tensor = shifted(tensor, np.full(tensor.features, view.shift), name)
    return View(tensor, view.index)


def scaled(tensor: Tensor, factors: Floats, name: str) -> Tensor:
    """A tensor whose features are multiplied by factors (features).

    A product that was rounded before is rounded behind it instead, if at all: sums have 32 bits.

    Raises:
        Unmapped: what makes the tensor cannot take them up.
    """
    if isinstance(tensor, Product):
        signs = np.where(factors < 0, -1, 1).astype(np.int8)
        size = np.where(factors == 0, 1.0, np.abs(factors))
        terms = tuple(
            replace(
                term,
                levels=term.levels * (signs * (factors != 0))[:, None].astype(np.int8),
                scales=term.scales * size,
            )
            for term in tensor.terms
        )
        bias = tensor.bias * factors
        return replace(tensor, name=name, terms=terms, bias=bias, scale=None)
    _check_open(tensor)
    if isinstance(tensor, Norm):
        gain, offset = tensor.gain * factors, tensor.offset * factors
        return replace(tensor, name=name, gain=gain, offset=offset)
    if isinstance(tensor, Mixed | ScoreRows) and (factors > 0).all():
        by_head = factors.reshape(len(tensor.factor), -1)
        if (by_head == by_head[:, :1]).all() and not getattr(tensor, "softened", False):
            return replace(tensor, name=name, factor=tensor.factor * by_head[:, 0])
        raise Unmapped("a factor behind attention that is not one a head")
    if isinstance(tensor, Sum) and (factors == factors[0]).all() and factors[0] > 0:
        unit = None if tensor.unit is None else tensor.unit * factors[0]
        return replace(tensor, name=name, gain=tensor.gain * factors[0], unit=unit)
    if isinstance(tensor, Pixels):
        by_channel = _by_channel(tensor, factors)
        return replace(tensor, std=tensor.std / by_channel)
    raise Unmapped(f"a factor that nothing before {tensor.name} can take up")


def shifted(tensor: Tensor, shifts: Floats, name: str) -> Tensor:
    """A tensor to whose features shifts (features) are added.

    A product that was rounded before is rounded behind it instead, as in `scaled`.

    Raises:
        Unmapped: what makes the tensor cannot take them up.
    """
    if isinstance(tensor, Product):
        return replace(tensor, name=name, bias=tensor.bias + shifts, scale=None)
    _check_open(tensor)
    if isinstance(tensor, Norm):
        return replace(tensor, name=name, offset=tensor.offset + shifts)
    if isinstance(tensor, Pixels):
        return replace(tensor, mean=tensor.mean - _by_channel(tensor, shifts) * tensor.std)
    if not shifts.any():
        return tensor
    raise Unmapped(f"a constant that nothing before {tensor.name} can take up")


def by_token(view: View, array: NDArray[np.floating]) -> Floats:
    """A constant that is applied to all of a tensor, as (tokens, features) or (1, features).

    Raises:
        Unmapped: it does not lie along the tensor's axes.
    """
    tensor = view.tensor
    size = tensor.tokens * tensor.features
    try:
        spread = np.broadcast_to(array.astype(np.float64), view.index.shape)
    except ValueError as error:
        raise Unmapped(f"a constant {array.shape} enlarges {view.index.shape}") from error
    if view.index.size != size or (np.bincount(view.index.ravel(), minlength=size) != 1).any():
        raise Unmapped(f"a constant that is applied to a part of {tensor.name}")
    found = np.empty(size)
    found[view.index.ravel()] = spread.ravel()
    table = found.reshape(tensor.tokens, tensor.features)
    return table[:1] if (table == table[:1]).all() else table


def _by_channel(pixels: Pixels, values: Floats) -> Floats:
    table = values.reshape(pixels.shape[0], -1)
    if (table != table[:, :1]).any():
        raise Unmapped("a normalization of the image that is not one a channel")
    return table[:, 0]


def _check_open(tensor: Tensor) -> None:
    if tensor.scale is not None:
        raise Unmapped(f"it changes {tensor.name} behind its rounding to int8")
