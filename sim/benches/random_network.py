"""Small random networks that exercise everything the machine can do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.ir import ImageSpec, MeanTokens, Network, SelectToken, TensorSpec
from sim.benches.random_layers import IntArray, RandomLayers, Shape
from sim.benches.random_selectors import add_selector, set_thresholds
from sim.reference import execute

__all__ = ["IntArray", "Shape", "random_network", "random_patches"]


def _block(layers: RandomLayers, block: int, stream: str) -> str:
    """An encoder block from the residual stream to the residual stream."""
    shape = layers.shape
    heads, width, before = shape.heads, shape.width, f"blocks.{block}." if block else ""
    layers.norm(f"{before}norm1", stream)
    layers.linear(f"{before}qkv", f"{before}norm1", 3 * width, groups=3 * heads)
    attention = (f"{before}scores", f"{before}softmax", f"{before}attend")
    layers.attention(attention, f"{before}qkv")
    layers.linear(f"{before}proj", f"{before}attend", width, 16)
    layers.add(f"{before}add1", stream, f"{before}proj")
    layers.norm(f"{before}norm2", f"{before}add1")
    layers.linear(f"{before}fc1", f"{before}norm2", shape.hidden, gelu=True)
    layers.linear(f"{before}fc2", f"{before}fc1", width, 16)
    return layers.add(f"{before}add2", f"{before}add1", f"{before}fc2")


def _pool(layers: RandomLayers, source: str, index: int = 0) -> str:
    """One token of the residual stream, or the mean of those behind the prefix."""
    spec = TensorSpec(1, layers.shape.width, 16)
    if layers.shape.mean:
        op = MeanTokens("mean", 0, (source,), "mean", layers.shape.prefix or 0)
        return layers.append(op, spec)
    name = f"select{index or ''}"
    return layers.append(SelectToken(name, 0, (source,), name, index=index), spec)


def _head(layers: RandomLayers, stream: str) -> None:
    shape = layers.shape
    layers.norm("norm", _pool(layers, stream))
    layers.linear("head", "norm", shape.classes, 16)
    if shape.distilled:
        second = min(1, layers.tensors[stream].tokens - 1)
        layers.norm("norm_dist", _pool(layers, stream, second))
        layers.linear("head_dist", "norm_dist", shape.classes, 16)
        layers.add("logits", "head", "head_dist")


def random_patches(shape: Shape, rng: np.random.Generator) -> NDArray[np.int8]:
    """A random image: int8 (patches, features)."""
    size = (shape.patch_tokens, shape.patch_features)
    if shape.extreme:
        return rng.choice([-128, 127], size).astype(np.int8)
    return rng.integers(-128, 128, size, np.int8)


def random_network(shape: Shape, seed: int = 0) -> tuple[Network, dict[str, IntArray]]:
    """A network and all its tensors for a random image, from the reference."""
    rng = np.random.default_rng(seed)
    layers = RandomLayers(shape, rng)
    stream = layers.linear("embed", Network.INPUT, shape.width, 16)
    if shape.prefix is not None:
        stream = layers.positions("positions", stream)
    if shape.norm_pre:
        stream = layers.norm("norm_pre", stream, 16)
    for block in range(shape.blocks + 1):
        layers.block = block
        if block in shape.selectors:
            stream = add_selector(layers, stream)
        if block < shape.blocks:
            stream = _block(layers, block, stream)
    layers.block = 0
    _head(layers, stream)

    patches = shape.patch_tokens
    image = ImageSpec(1, patches, shape.patch_features, 1, 1.0, (0.0,), (1.0,))
    network = Network("random", image, layers.ops, layers.tensors, layers.params)
    network.validate()
    values = random_patches(shape, rng)
    set_thresholds(network, values, shape.kept)
    return network, {**execute(network, values), Network.INPUT: values}
