"""The integer reference: runs a network of the IR operation by operation, in numpy.

`hw.integer` holds the arithmetic; this file only says which arithmetic an operation stands for.
Batches are the leading dimensions of the patches, so one call runs any number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from hw import integer
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

IntArray = NDArray[np.integer[Any]]

_BLAS = ThreadpoolController().select(user_api="blas")


def quantize_image(spec: ImageSpec, pixels: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
    """Pixels in [0, 1] (..., C, H, W) as int8 patch rows (..., patches, C * patch * patch).

    Rows and columns beyond the last whole patch are dropped, as a strided convolution does.
    """
    channel = (-1, 1, 1)
    normalized = pixels.astype(np.float64) - np.reshape(spec.mean, channel)
    normalized /= np.reshape(spec.std, channel)
    levels = np.clip(np.floor(normalized / spec.scale + 0.5), -128, 127).astype(np.int8)
    p, rows, columns = spec.patch, spec.height // spec.patch, spec.width // spec.patch
    batch = levels.shape[:-3]
    grid = levels[..., : rows * p, : columns * p]
    grid = grid.reshape(*batch, spec.channels, rows, p, columns, p)
    grid = np.moveaxis(grid, (-4, -2), (-5, -4))  # (..., rows, columns, C, p, p)
    return grid.reshape(*batch, rows * columns, spec.channels * p * p)


def split_groups(x: IntArray, groups: int) -> IntArray:
    """(..., tokens, groups * features) as (..., groups, tokens, features)."""
    return np.moveaxis(x.reshape(*x.shape[:-1], groups, -1), -2, -3)


def merge_groups(x: IntArray) -> IntArray:
    """The inverse of `split_groups`."""
    x = np.moveaxis(x, -3, -2)
    return x.reshape(*x.shape[:-2], -1)


def _per_head(values: tuple[int, ...]) -> NDArray[np.int64]:
    """(heads) as (heads, 1, 1), to broadcast over tokens and features."""
    return np.asarray(values, dtype=np.int64)[:, None, None]


def _linear(network: Network, op: Linear, target: TensorSpec, x: IntArray) -> IntArray:
    acc = integer.exact_matmul(x, network.param(op, "weight").T)
    bias, mult, shift = (network.param(op, name) for name in ("bias", "mult", "shift"))
    y = integer.requantize(acc, bias, mult, shift, target.bits)
    return integer.lookup(y, network.param(op, "table")) if op.gelu else y


def _scores(network: Network, op: Scores, target: TensorSpec, qkv: IntArray) -> IntArray:
    groups = split_groups(qkv, 3 * op.heads)
    q, k = groups[..., : op.heads, :, :], groups[..., op.heads : 2 * op.heads, :, :]
    acc = integer.exact_matmul(q, np.swapaxes(k, -1, -2))  # (..., heads, tokens, tokens)
    mult, shift = _per_head(op.mult), _per_head(op.shift)
    return merge_groups(integer.requantize(acc, 0, mult, shift, target.bits))


def _attend(
    network: Network, op: Attend, target: TensorSpec, probabilities: IntArray, qkv: IntArray
) -> IntArray:
    v = split_groups(qkv, 3 * op.heads)[..., 2 * op.heads :, :, :]
    acc = integer.exact_matmul(split_groups(probabilities, op.heads), v)
    mult, shift = _per_head(op.mult), _per_head(op.shift)
    return merge_groups(integer.requantize(acc, 0, mult, shift, target.bits))


def _softmax(network: Network, op: Softmax, target: TensorSpec, scores: IntArray) -> IntArray:
    return merge_groups(integer.softmax(split_groups(scores, target.groups), op.probability_mult))


def _layernorm(network: Network, op: LayerNorm, target: TensorSpec, x: IntArray) -> IntArray:
    gain, offset = network.param(op, "gain"), network.param(op, "offset")
    return integer.layernorm(x, gain, offset, op.shift, op.epsilon, target.bits)


def _embed(network: Network, op: Embed, target: TensorSpec, x: IntArray) -> IntArray:
    prefix = network.param(op, "prefix")
    prefix = np.broadcast_to(prefix, (*x.shape[:-2], *prefix.shape))
    return integer.add(np.concatenate([prefix, x], axis=-2), network.param(op, "position"))


def _add(network: Network, op: Add, target: TensorSpec, a: IntArray, b: IntArray) -> IntArray:
    return integer.add(a, b)


def _select(network: Network, op: SelectToken, target: TensorSpec, x: IntArray) -> IntArray:
    return x[..., op.index : op.index + 1, :]


def _mean(network: Network, op: MeanTokens, target: TensorSpec, x: IntArray) -> IntArray:
    return integer.mean_tokens(x[..., op.start :, :], op.mult, op.shift)


_EXECUTORS: dict[type[Op], Callable[..., IntArray]] = {
    Linear: _linear,
    Scores: _scores,
    Attend: _attend,
    Softmax: _softmax,
    LayerNorm: _layernorm,
    Embed: _embed,
    Add: _add,
    SelectToken: _select,
    MeanTokens: _mean,
}


def execute_op(network: Network, op: Op, *inputs: IntArray) -> IntArray:
    """One operation on its input tensors (..., tokens, features); int8 or int16 as its output."""
    target = network.tensors[op.output]
    result = _EXECUTORS[type(op)](network, op, target, *inputs)
    return result.astype(np.int8 if target.bits == 8 else np.int16)


def execute(
    network: Network, patches: NDArray[np.int8], keep: Collection[str] | None = None
) -> dict[str, IntArray]:
    """All tensors of a run by name, int8 or int16, each (..., tokens, features).

    Args:
        network: a valid network.
        patches: int8 (..., patches, C * patch * patch), as from `quantize_image`.
        keep: names of the tensors to return; the others are freed after their last use. None
            returns every tensor.
    """
    last_use = {name: i for i, op in enumerate(network.ops) for name in op.inputs}
    tensors: dict[str, IntArray] = {network.INPUT: patches}
    for i, op in enumerate(network.ops):
        # The products are small: threads that wait for each other cost more than they save.
        with _BLAS.limit(limits=1):
            result = execute_op(network, op, *(tensors[name] for name in op.inputs))
        tensors[op.output] = result
        if keep is not None:
            for name in set(op.inputs):
                if last_use[name] == i and name not in keep:
                    del tensors[name]
    return tensors if keep is None else {name: tensors[name] for name in keep}


def logits(network: Network, patches: NDArray[np.int8], batch: int = 8) -> NDArray[np.int16]:
    """Integer logits (images, classes) of patches (images, patches, features).

    Small batches keep the intermediate tensors in the processor's cache.
    """
    parts = [
        execute(network, patches[start : start + batch], keep=(network.output,))[network.output]
        for start in range(0, len(patches), batch)
    ]
    return np.concatenate(parts)[:, 0, :].astype(np.int16)


def top1(network: Network, patches: NDArray[np.int8]) -> NDArray[np.int64]:
    """Index of the largest logit (images) of patches (images, patches, features)."""
    return logits(network, patches).argmax(axis=-1)
