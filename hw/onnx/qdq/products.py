"""Linear layers while a graph is read, that of the patches among them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.onnx.qdq.scaling import settle
from hw.onnx.qdq.stream import INT8_STEP, pick
from hw.onnx.qdq.values import (
    Index,
    Mean,
    Norm,
    Patches,
    Pixels,
    Product,
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
