"""The residual stream while a graph is read: additions, positions, layer norms, single tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.onnx.qdq.scaling import settle
from hw.onnx.qdq.values import (
    WIDE,
    ZERO,
    Embedded,
    Mean,
    Norm,
    Picked,
    Product,
    Sum,
    Tensor,
    View,
    is_whole,
    places,
)
from hw.quantization import Floats

INT8_STEP = 256.0
"""Units of 16 bits in one of 8 of the same range."""


def widened(tensor: Tensor) -> Tensor:
    """A tensor that stays in 16 bits, although the graph may round it to 8.

    Raises:
        Unmapped: the machine has it in 8 bits only.
    """
    if isinstance(tensor, WIDE) or tensor.scale is None:
        return tensor
    if isinstance(tensor, Product | Norm):
        return replace(tensor, scale=None, unit=tensor.unit or tensor.scale / INT8_STEP)
    raise Unmapped(f"{tensor.name} has 8 bits in the machine, its reader expects 16")


def wide(view: View, name: str) -> Tensor:
    """All of a tensor of 16 bits, its tokens and features in order.

    Raises:
        Unmapped: the view shows something else.
    """
    tensor = widened(view.tensor)
    if not is_whole(view):
        tokens, columns = places(view)
        if len(tokens) != 1 or (columns != np.arange(tensor.features)).any():
            raise Unmapped(f"it reads tokens or features of {tensor.name} out of their order")
        tensor = pick(tensor, int(tokens[0]), name)
    return settle(View(tensor, view.index, view.factor, view.shift), name).tensor


def pick(tensor: Tensor, place: int, name: str) -> Tensor:
    """One token of a tensor, taken before a layer norm rather than behind it."""
    if tensor.tokens == 1:
        return tensor
    if isinstance(tensor, Norm):
        source = pick(tensor.source, place, f"{name}/token")
        return replace(tensor, tokens=1, source=source)
    return Picked(name=name, tokens=1, features=tensor.features, source=tensor, place=place)


def add_tensors(a: View, b: View, name: str) -> View:
    """A residual addition, or the sum of a layer's two terms.

    Raises:
        Unmapped: the tensors do not fit.
    """
    first, second = settle(a, name).tensor, settle(b, name).tensor
    products = isinstance(first, Product) and isinstance(second, Product)
    if products and first.tokens > 1 and second.tokens == 1:
        return _joined(first, second, a, name)
    if not np.array_equal(a.index, b.index):
        raise Unmapped(f"it adds {first.name} and {second.name}, whose elements lie differently")
    if ZERO in a.index:
        raise Unmapped("an addition of tokens before the prefix has its values")
    if len(np.unique(a.index)) < first.tokens * first.features:
        first, second = wide(a, f"{name}/a"), wide(b, f"{name}/b")
        index = np.arange(first.features).reshape(a.index.shape)
    else:
        first, second, index = widened(first), widened(second), a.index
    if (first.tokens, first.features) != (second.tokens, second.features):
        raise Unmapped(f"it adds {first.name} and {second.name}, which have different shapes")
    total = Sum(name=name, tokens=first.tokens, features=first.features, a=first, b=second)
    return View(total, index)


def _joined(first: Tensor, second: Tensor, view: View, name: str) -> View:
    """The second product's token added to every token of the first."""
    assert isinstance(first, Product) and isinstance(second, Product)
    if len(first.terms) + len(second.terms) > 2:
        raise Unmapped("a sum of more than two products")
    ours, theirs = first.terms[0], second.terms[0]
    units = [np.asarray(t.scales * (t.source.scale or 1.0)) for t in (ours, theirs)]
    used = ours.levels.any(axis=1) & theirs.levels.any(axis=1)
    if not np.allclose(units[0][used], units[1][used], rtol=1e-5):
        raise Unmapped("the two products that it adds have sums of different scales")
    product = replace(first, name=name, terms=(ours, theirs), bias=first.bias + second.bias)
    return View(product, view.index)


def add_positions(view: View, array: NDArray[Any], name: str) -> View:
    """Constants added to every token: positions, and the prefix where tokens are still zero.

    Raises:
        Unmapped: they do not lie along tokens and features.
    """
    tensor = view.tensor
    shape = view.index.shape
    features = shape[-1]
    index = view.index.reshape(-1, features)
    prefix = int((index[:, 0] == ZERO).sum())
    values = np.broadcast_to(array.astype(np.float64), shape).reshape(-1, features)
    if isinstance(tensor, Embedded) and not prefix and is_whole(view):
        known = len(tensor.prefix)
        position = tensor.position.copy()
        position[known:] += values[known:]
        embedded = replace(
            tensor, name=name, prefix=tensor.prefix + values[:known], position=position
        )
        return View(embedded, view.index)
    inner = View(tensor, view.index.reshape(-1, features)[prefix:])
    if (index[:prefix] != ZERO).any() or not is_whole(inner):
        raise Unmapped("a constant for each token that is added to tokens out of their order")
    position = values.copy()
    position[:prefix] = 0.0
    return _embedded(widened(tensor), values[:prefix], position, shape, name)


def prepend(tokens: Floats, view: View, shape: tuple[int, ...], name: str) -> View:
    """Constant tokens (tokens, features) before those of a view.

    Raises:
        Unmapped: the view's tokens are out of their order.
    """
    tensor = widened(settle(view, name).tensor)
    if not is_whole(view):
        raise Unmapped("constant tokens before tokens out of their order")
    if isinstance(tensor, Embedded) and not len(tensor.prefix):
        position = np.concatenate([np.zeros_like(tokens), tensor.position])
        return _embedded(tensor.source, tokens, position, shape, name)
    position = np.zeros((len(tokens) + tensor.tokens, tensor.features))
    return _embedded(tensor, tokens, position, shape, name)


def _embedded(
    source: Tensor, prefix: Floats, position: Floats, shape: tuple[int, ...], name: str
) -> View:
    tokens, features = position.shape
    embedded = Embedded(
        name=name,
        tokens=tokens,
        features=features,
        source=source,
        prefix=prefix,
        position=position,
    )
    return embedded.whole(*shape)


def normalized(view: View, gain: Floats, offset: Floats, epsilon: float, name: str) -> View:
    """A layer norm over the features.

    Raises:
        Unmapped: it does not read tokens of 16 bits.
    """
    source = wide(view, f"{name}/source")
    if gain.shape != (source.features,) or offset.shape != gain.shape:
        raise Unmapped(f"it normalizes over {gain.shape}, expected ({source.features},)")
    norm = Norm(
        name=name,
        tokens=source.tokens,
        features=source.features,
        source=source,
        gain=gain,
        offset=offset,
        epsilon=epsilon,
    )
    return norm.whole(*view.index.shape)


def averaged(view: View, shape: tuple[int, ...], name: str) -> View:
    """The mean over tokens, in a shape.

    Raises:
        Unmapped: those are not the last ones of a tensor of 16 bits.
    """
    tokens, columns = places(view)
    tensor = widened(view.tensor)
    start = int(tokens[0])
    if (tokens != np.arange(start, tensor.tokens)).any() or len(columns) != tensor.features:
        raise Unmapped(f"a mean of some tokens of {tensor.name}")
    if (columns != np.arange(tensor.features)).any() or (view.factor, view.shift) != (1.0, 0.0):
        raise Unmapped(f"a mean of features of {tensor.name} out of their order")
    mean = Mean(name=name, tokens=1, features=tensor.features, source=tensor, start=start)
    return mean.whole(*shape)
