"""Leaving out hidden units that block pruning has cut off: the same logits from fewer products.

Where all blocks behind a group of hidden units are removed, nobody reads the units; where all
blocks before it are, they are constant, and the bias behind takes them up. Groups are whole blocks
of both layers, so that the blocks that stay keep their grid.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.integer import lookup, requantize
from hw.ir import Linear, Network
from hw.quantization import BIAS_LIMIT


def without_idle_units(network: Network) -> Network:
    """A network with the same logits, bit for bit, whose activation functions have fewer units."""
    network = replace(network, tensors=dict(network.tensors), params=dict(network.params))
    readers = Counter(name for op in network.ops for name in op.inputs)
    makers = {op.output: op for op in network.ops}
    for second in network.linears():
        first = makers.get(second.inputs[0])
        if not isinstance(first, Linear) or not first.gelu or len(second.inputs) > 1:
            continue
        if readers[first.output] == 1 and network.tensors[first.output].bits == 8:
            _shorten(network, first, second)
    return network


def _shorten(network: Network, first: Linear, second: Linear) -> None:
    before, behind = network.param(first, "weight"), network.param(second, "weight")
    group = math.lcm(first.block_shape[0], second.block_shape[1])
    constant = _whole(np.logical_not(before.any(axis=1)), group)
    idle = _whole(np.logical_not(behind.any(axis=0)), group) | constant
    if idle.all():
        idle[:group] = constant[:group] = False
    if not idle.any():
        return
    folded = behind[:, constant].astype(np.int64) @ _constants(network, first)[constant]
    bias = network.param(second, "bias") + folded
    if np.abs(bias).max(initial=0) > BIAS_LIMIT:
        return
    params = network.params
    params[f"{second.name}.bias"] = bias.astype(np.int32)
    params[f"{second.name}.weight"] = np.ascontiguousarray(behind[:, ~idle])
    for suffix in ("weight", "bias", "mult", "shift"):
        params[f"{first.name}.{suffix}"] = network.param(first, suffix)[~idle]
    spec = network.tensors[first.output]
    network.tensors[first.output] = replace(spec, features=int((~idle).sum()))


def _whole(dead: NDArray[Any], group: int) -> NDArray[Any]:
    """Those of the dead units whose whole group is dead."""
    starts = np.arange(0, len(dead), group)
    return np.repeat(np.logical_and.reduceat(dead, starts), group)[: len(dead)]


def _constants(network: Network, op: Linear) -> NDArray[np.int64]:
    """What each unit gives when all its inputs are 0."""
    bias, mult, shift = (network.param(op, name) for name in ("bias", "mult", "shift"))
    levels = requantize(np.zeros_like(bias), bias, mult, shift, 8)
    return lookup(levels, network.param(op, "table"))
