"""Matrix products while a graph is read: linear layers, patches, and attention."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.onnx.qdq.scaling import settle
from hw.onnx.qdq.stream import INT8_STEP, pick
from hw.onnx.qdq.values import (
    Heads,
    Index,
    Mean,
    Mixed,
    Norm,
    Patches,
    Pixels,
    Product,
    ScoreRows,
    Term,
    View,
    Weight,
    is_whole,
    places,
)
from hw.quantization import Floats

Levels = NDArray[np.int8]


def linear(view: View, weight: Weight, bias: Floats | None, name: str) -> View:
    """A linear layer; the weight is (in, out).

    Raises:
        Unmapped: its input or its weight has no int8 levels, or lies differently.
    """
    if weight.levels.ndim != 2 or weight.levels.shape[0] != view.index.shape[-1]:
        raise Unmapped(f"a weight of shape {weight.levels.shape}, expected (in, out)")
    if weight.scales.shape[0] != 1:
        raise Unmapped("a scale for every input of the weight, expected one an output")
    levels = np.ascontiguousarray(weight.levels.T)
    outputs = len(levels)
    scales = np.broadcast_to(weight.scales[0], (outputs,)).astype(np.float64)
    shape = (*view.index.shape[:-1], outputs)
    real = np.zeros(outputs) if bias is None else np.broadcast_to(bias.ravel(), (outputs,))
    if isinstance(view.tensor, Pixels):
        return _patches_times(view, levels, scales, real, shape, name)
    if isinstance(view.tensor, Mean) and isinstance(view.tensor.source, Norm):
        return _before_mean(view, weight, bias, name)
    tensor = view.tensor
    if tensor.scale is None:
        raise Unmapped(f"it reads {tensor.name}, which is not rounded to int8; put Q and DQ there")
    tokens, columns = places(view)
    real = real + view.shift * (levels.astype(np.float64).sum(axis=1) * scales)
    if view.factor <= 0:
        raise Unmapped(f"a factor {view.factor} on its input")
    if len(tokens) == 1 and tensor.tokens > 1:
        tensor = pick(tensor, int(tokens[0]), f"{name}/token")
    elif (tokens != np.arange(tensor.tokens)).any():
        raise Unmapped(f"it reads some tokens of {tensor.name}")
    if len(np.unique(columns)) < len(columns):
        raise Unmapped(f"it reads features of {tensor.name} twice")
    spread = np.zeros((outputs, tensor.features), np.int8)
    spread[:, columns] = levels
    term = Term(source=tensor, levels=spread, scales=scales * view.factor)
    return _product(tensor.tokens, term, real, shape, name)


def _product(tokens: int, term: Term, bias: Floats, shape: tuple[int, ...], name: str) -> View:
    product = Product(name=name, tokens=tokens, features=len(bias), terms=(term,), bias=bias)
    return product.whole(*shape)


def _before_mean(view: View, weight: Weight, bias: Floats | None, name: str) -> View:
    """A layer behind the mean of normalized tokens: both are linear, so the layer comes first."""
    mean = view.tensor
    assert isinstance(mean, Mean)
    units = [one.unit * INT8_STEP for one in (mean.source, mean) if one.unit is not None]
    source = replace(mean.source, scale=units[0] if units else None)
    every = source.whole(source.tokens, source.features)
    product = linear(every, weight, bias, f"{name}/tokens").tensor
    if not is_whole(view) or (view.factor, view.shift) != (1.0, 0.0):
        raise Unmapped(f"it reads some features of {mean.name}")
    result = Mean(name=name, tokens=1, features=product.features, source=product, start=mean.start)
    return result.whole(*view.index.shape[:-1], product.features)


def patch_rows(shape: tuple[int, int, int], patch: int) -> Index:
    """Which pixels of an image (C, H, W) a patch has: (patches, C * patch * patch)."""
    channels, height, width = shape
    rows, columns = height // patch, width // patch
    index = np.arange(channels * height * width).reshape(shape)
    index = index[:, : rows * patch, : columns * patch]
    index = index.reshape(channels, rows, patch, columns, patch).transpose(1, 3, 0, 2, 4)
    return index.reshape(rows * columns, channels * patch * patch)


def _patches_times(
    view: View, levels: Levels, scales: Floats, bias: Floats, shape: tuple[int, ...], name: str
) -> View:
    pixels = view.tensor
    assert isinstance(pixels, Pixels)
    rows = view.index.reshape(-1, view.index.shape[-1])
    patch = math.isqrt(rows.shape[1] // pixels.shape[0])
    expected = patch_rows(pixels.shape, max(patch, 1))
    if rows.shape != expected.shape or patch < 1:
        raise Unmapped(f"rows of {rows.shape[1]} pixels, expected those of square patches")
    order = np.argsort(expected[0])
    found = order[np.searchsorted(expected[0][order], rows[0]).clip(max=len(order) - 1)]
    if (rows != expected[:, found]).any():
        raise Unmapped("pixels that are no patches of the image, row after row")
    spread = np.zeros_like(levels)
    spread[:, found] = levels
    return _patch_product(view, patch, spread, scales, bias, shape, name)


def _patch_product(
    view: View,
    patch: int,
    levels: Levels,
    scales: Floats,
    bias: Floats,
    shape: tuple[int, ...],
    name: str,
) -> View:
    pixels = settle(view, name).tensor
    assert isinstance(pixels, Pixels)
    if pixels.scale is None:
        raise Unmapped("it reads the image, which is not rounded to int8; put Q and DQ there")
    channels, height, width = pixels.shape
    patches = Patches(
        name="patches",
        tokens=(height // patch) * (width // patch),
        features=channels * patch * patch,
        scale=pixels.scale,
        pixels=pixels,
        patch=patch,
    )
    term = Term(source=patches, levels=levels, scales=scales)
    return _product(patches.tokens, term, bias, shape, name)


def convolution(view: View, weight: Weight, bias: Floats | None, name: str) -> View:
    """A convolution whose windows are the image's patches; the weight is (out, C, patch, patch).

    Raises:
        Unmapped: it reads something else than the image.
    """
    outputs, channels, patch, other = weight.levels.shape
    pixels = view.tensor
    if not isinstance(pixels, Pixels) or pixels.shape[0] != channels or patch != other:
        raise Unmapped("a convolution that is not the image's patch embedding")
    if view.index.shape != (1, *pixels.shape) or not (np.diff(view.index.ravel()) == 1).all():
        raise Unmapped("a convolution of an image whose pixels were moved")
    if weight.scales.size not in (1, outputs):
        raise Unmapped("scales of a convolution's weight that are not one an output")
    scales = np.broadcast_to(weight.scales.ravel(), (outputs,)).astype(np.float64)
    real = np.zeros(outputs) if bias is None else bias.ravel().astype(np.float64)
    rows, columns = pixels.shape[1] // patch, pixels.shape[2] // patch
    shape = (1, rows, columns, outputs)
    levels = weight.levels.reshape(outputs, -1)
    found = _patch_product(view, patch, levels, scales, real, shape, name)
    return View(found.tensor, found.index.transpose(0, 3, 1, 2))


def attention(a: View, b: View, name: str) -> View:
    """Scores of queries and keys, or values weighted by attention.

    Raises:
        Unmapped: its inputs are neither.
    """
    rows = a.tensor
    if isinstance(rows, ScoreRows):
        return _mixed(a, b, name)
    for view in (a, b):
        if view.tensor.scale is None:
            raise Unmapped(f"it reads {view.tensor.name}, which is not rounded to int8")
        if view.shift != 0.0:
            raise Unmapped(f"a constant added to {view.tensor.name} behind its rounding")
    queries, keys = _heads(a), _heads(View(b.tensor, np.swapaxes(b.index, -1, -2)))
    if queries.features.shape != keys.features.shape or a.tensor.tokens != b.tensor.tokens:
        raise Unmapped("queries and keys of different shapes")
    heads, tokens = len(queries.features), a.tensor.tokens
    units = a.factor * b.factor
    scores = ScoreRows(
        name=name,
        tokens=tokens,
        features=heads * tokens,
        queries=queries,
        keys=keys,
        factor=np.full(heads, units),
    )
    shape = (*a.index.shape[:-1], tokens)
    index = scores.whole(tokens, heads, tokens).index.transpose(1, 0, 2)
    return View(scores, index.reshape(shape))


def softmax(view: View, axis: int, name: str) -> View:
    """Attention's softmax.

    Raises:
        Unmapped: it is another one.
    """
    rows = view.tensor
    if not isinstance(rows, ScoreRows) or rows.softened:
        raise Unmapped("a softmax outside of attention; end the graph at the logits")
    tokens, heads = rows.tokens, len(rows.factor)
    index = rows.whole(tokens, heads, tokens).index.transpose(1, 0, 2)
    if axis not in (-1, view.index.ndim - 1) or (view.index.ravel() != index.ravel()).any():
        raise Unmapped("a softmax that is not over each query's scores")
    return View(replace(rows, name=name, softened=True), view.index)


def _mixed(a: View, b: View, name: str) -> View:
    rows = a.tensor
    assert isinstance(rows, ScoreRows)
    if not rows.softened or rows.scale is None:
        raise Unmapped("attention whose probabilities are not rounded to int8")
    if b.tensor.scale is None or b.shift != 0.0 or (a.factor, a.shift) != (1.0, 0.0):
        raise Unmapped(f"attention over {b.tensor.name}, which is not rounded to int8")
    values, heads = _heads(b), len(rows.factor)
    if len(values.features) != heads or b.tensor.tokens != rows.tokens:
        raise Unmapped("values of another shape than the attention's")
    width = values.features.shape[1]
    mixed = Mixed(
        name=name,
        tokens=rows.tokens,
        features=heads * width,
        rows=rows,
        values=values,
        factor=np.full(heads, b.factor),
    )
    index = mixed.whole(rows.tokens, heads, width).index.transpose(1, 0, 2)
    return View(mixed, index.reshape(*a.index.shape[:-1], width))


def _heads(view: View) -> Heads:
    """Features of (..., heads, tokens, features)."""
    tensor = view.tensor
    if view.index.ndim < 3 or view.index.shape[-2] != tensor.tokens:
        raise Unmapped(f"it reads {tensor.name} as {view.index.shape}, expected heads by tokens")
    index = view.index.reshape(-1, tensor.tokens, view.index.shape[-1])
    features = index[:, 0, :]
    expected = np.arange(tensor.tokens)[None, :, None] * tensor.features + features[:, None]
    if (index != expected).any() or len(np.unique(features)) < features.size:
        raise Unmapped(f"it reads elements of {tensor.name} that are no heads of features")
    return Heads(tensor=tensor, features=features)
