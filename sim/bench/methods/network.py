"""A network with other integer methods than those of `hw.integer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.ir import LayerNorm, Network, Op, Softmax
from sim import reference
from sim.bench.methods import layernorm, softmax


@dataclass(frozen=True)
class Methods:
    """One choice of methods."""

    softmax: softmax.Softmax
    layernorm: layernorm.LayerNorm


def execute_op(
    network: Network, op: Op, methods: Methods, *inputs: NDArray[Any]
) -> NDArray[np.integer[Any]]:
    """`sim.reference.execute_op` with these methods."""
    target = network.tensors[op.output]
    if isinstance(op, Softmax):
        scores = reference.split_groups(inputs[0], target.groups)
        result = reference.merge_groups(methods.softmax(scores, op.probability_mult))
    elif isinstance(op, LayerNorm):
        gain, offset = network.param(op, "gain"), network.param(op, "offset")
        result = methods.layernorm(inputs[0], gain, offset, op.shift, op.epsilon, target.bits)
    else:
        return reference.execute_op(network, op, *inputs)
    return result.astype(np.int8 if target.bits == 8 else np.int16)


def top1(network: Network, patches: NDArray[np.int8], methods: Methods) -> NDArray[np.int64]:
    """Index of the largest logit (images) of patches (images, patches, features)."""

    def operation(network: Network, op: Op, *inputs: NDArray[Any]) -> NDArray[np.integer[Any]]:
        return execute_op(network, op, methods, *inputs)

    return reference.logits(network, patches, operation=operation).argmax(axis=-1)
