"""The integer reference: runs a network of the IR operation by operation, in numpy.

`hw.integer` holds the arithmetic; this file only says which arithmetic an operation stands for.
Batches are the leading dimensions of the patches, so one call runs any number of images. Behind a
`TokenSelect` the images of a batch keep different numbers of tokens, so there each runs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
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
    TokenSelect,
)

IntArray = NDArray[np.integer[Any]]

Operation = Callable[..., IntArray]
"""What `execute_op` is: (network, op, *inputs) to the result."""

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


def _linear(
    network: Network, op: Linear, target: TensorSpec, x: IntArray, *common: IntArray
) -> IntArray:
    weight = network.param(op, "weight").T
    acc = integer.exact_matmul(x, weight[: x.shape[-1]])
    for token in common:
        acc = integer.wrap32(acc + integer.exact_matmul(token, weight[x.shape[-1] :]))
    bias, mult, shift = (network.param(op, name) for name in ("bias", "mult", "shift"))
    if not op.gelu:
        return integer.requantize(acc, bias, mult, shift, target.bits)
    y = integer.requantize(acc, bias, mult, shift, 8)
    return integer.lookup(y, network.param(op, "table"))


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
    return integer.mean_tokens(x[..., op.start :, :])


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
    """One operation on its input tensors (..., tokens, features); int8 or int16 as its output.

    A `TokenSelect` depends on the one before it and runs in `select_tokens`.
    """
    target = network.tensors[op.output]
    result = _EXECUTORS[type(op)](network, op, target, *inputs)
    return result.astype(np.int8 if target.bits == 8 else np.int16)


@dataclass(frozen=True)
class Selection:
    """What a `TokenSelect` did to an image."""

    scores: NDArray[np.int64]
    """(tokens in), 0 to 255; 254 stands for 1."""
    kept: NDArray[np.bool_]
    """(tokens in)"""

    @property
    def tokens_in(self) -> int:
        return len(self.kept)

    @property
    def tokens_kept(self) -> int:
        """Without the package token."""
        return int(self.kept.sum())

    @property
    def package(self) -> bool:
        """Whether the last token that comes out is a package token."""
        return self.tokens_kept < self.tokens_in

    @property
    def tokens_out(self) -> int:
        """The live count from here on."""
        return self.tokens_kept + self.package


Selections = Mapping[str, Selection]
"""What every `TokenSelect` did to an image, by its name."""


@dataclass(frozen=True)
class Run:
    """The tensors of a run, and what was selected in every image."""

    tensors: dict[str, IntArray]
    """By name, int8 or int16, (..., tokens, features). Behind a `TokenSelect` an image that runs
    alone has its live tokens; those of a batch are filled up with zeros to `TensorSpec.tokens`."""
    selections: tuple[Selections, ...]
    """An entry an image, in the order of the flattened batch."""


def live_counts(selections: Selections) -> dict[str, int]:
    """Tokens that come out of every `TokenSelect`: what the cycles of an image depend on."""
    return {name: selection.tokens_out for name, selection in selections.items()}


def select_tokens(
    op: TokenSelect, x: IntArray, keep: IntArray, heads: IntArray, before: Selections
) -> tuple[NDArray[np.int16], Selection]:
    """One selection in one image.

    Args:
        x: int16 (tokens, features)
        keep: int16 (tokens, heads)
        heads: int16 (tokens, heads)
        before: the earlier selections in this image.
    """
    package = before[op.after].package if op.after else False
    scores = integer.token_scores(keep, heads)
    kept = integer.kept_tokens(scores, op.threshold, op.prefix, package)
    return integer.select_tokens(x, scores, kept).astype(np.int16), Selection(scores, kept)


def fill_up(x: IntArray, spec: TensorSpec) -> IntArray:
    """A tensor of live tokens, (tokens, features), with zeros up to the shape of its spec.

    Scores and probabilities have a feature a token in every group.
    """
    grouped = x.reshape(len(x), spec.groups, -1)
    full = np.zeros((spec.tokens, spec.groups, spec.group_features), x.dtype)
    full[: len(x), :, : grouped.shape[-1]] = grouped
    return full.reshape(spec.tokens, spec.features)


def _execute(
    network: Network,
    ops: range,
    tensors: dict[str, IntArray],
    keep: Collection[str] | None,
    operation: Operation,
) -> dict[str, Selection]:
    """Run some operations on `tensors`, add their results, free what is not used any more."""
    last_use = {name: i for i, op in enumerate(network.ops) for name in op.inputs}
    selections: dict[str, Selection] = {}
    for i in ops:
        op = network.ops[i]
        inputs = [tensors[name] for name in op.inputs]
        # The products are small: threads that wait for each other cost more than they save.
        with _BLAS.limit(limits=1):
            if isinstance(op, TokenSelect):
                x, keeps, heads = inputs
                result, selections[op.name] = select_tokens(op, x, keeps, heads, selections)
                tensors[op.output] = result
            else:
                tensors[op.output] = operation(network, op, *inputs)
        if keep is not None:
            for name in set(op.inputs):
                if last_use[name] == i and name not in keep:
                    del tensors[name]
    return selections


def run(
    network: Network,
    patches: NDArray[np.int8],
    keep: Collection[str] | None = None,
    operation: Operation = execute_op,
) -> Run:
    """Run any number of images.

    Args:
        network: a valid network.
        patches: int8 (..., patches, C * patch * patch), as from `quantize_image`.
        keep: names of the tensors to return; the others are freed after their last use. None
            returns every tensor.
        operation: executes every operation but a `TokenSelect`.
    """
    batch, count = patches.shape[:-2], len(network.ops)
    first = next((i for i, op in enumerate(network.ops) if isinstance(op, TokenSelect)), count)
    together: dict[str, IntArray] = {network.INPUT: patches}
    _execute(network, range(first), together, keep, operation)
    images = [{name: x[index] for name, x in together.items()} for index in np.ndindex(batch)]
    selections = tuple(
        _execute(network, range(first, count), image, keep, operation) for image in images
    )
    if batch == ():
        together |= images[0]
    elif first < count:
        outputs = {op.output for op in network.ops[first:]}
        for name in outputs & images[0].keys():
            spec = network.tensors[name]
            full = np.stack([fill_up(image[name], spec) for image in images])
            together[name] = full.reshape(*batch, *full.shape[1:])
    names = together if keep is None else keep
    return Run({name: together[name] for name in names}, selections)


def execute(
    network: Network, patches: NDArray[np.int8], keep: Collection[str] | None = None
) -> dict[str, IntArray]:
    """The tensors of a run alone: see `run`."""
    return run(network, patches, keep).tensors


def logits(
    network: Network,
    patches: NDArray[np.int8],
    batch: int = 8,
    operation: Operation = execute_op,
) -> NDArray[np.int16]:
    """Integer logits (images, classes) of patches (images, patches, features).

    Small batches keep the intermediate tensors in the processor's cache.
    """
    keep = (network.output,)
    parts = [
        run(network, patches[start : start + batch], keep, operation).tensors[network.output]
        for start in range(0, len(patches), batch)
    ]
    return np.concatenate(parts)[:, 0, :].astype(np.int16)


def top1(network: Network, patches: NDArray[np.int8]) -> NDArray[np.int64]:
    """Index of the largest logit (images) of patches (images, patches, features)."""
    return logits(network, patches).argmax(axis=-1)
