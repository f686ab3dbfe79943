"""Building a network of the IR: one method an operation, which returns the tensor it writes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hw.integer import quantize_multiplier
from hw.ir import Add, LayerNorm, Linear, MeanTokens, Op, SelectToken, TensorSpec
from prune.quantize.linear import RealLinear, layernorm_params, linear_params
from prune.quantize.observe import Observations
from prune.quantize.scales import Floats, int8_scale


def multipliers(factors: Floats) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """mult and shift of real factors, as the IR's fields."""
    mult, shift = quantize_multiplier(factors)
    return tuple(mult.tolist()), tuple(shift.tolist())


@dataclass
class Builder:
    """The network so far, and the statistics its scales come from."""

    seen: Observations
    block_shape: tuple[int, int]
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    params: dict[str, NDArray[Any]] = field(default_factory=dict)

    def append(
        self, op: Op, target: TensorSpec, params: dict[str, NDArray[Any]] | None = None
    ) -> str:
        """Any operation, with the description of its output."""
        self.ops.append(op)
        self.tensors[op.output] = target
        for suffix, array in (params or {}).items():
            self.params[f"{op.name}.{suffix}"] = array
        return op.output

    def scale(self, tensor: str) -> float:
        return self.tensors[tensor].scales[0]

    def int8_scale(self, site: str) -> float:
        """Scale of an int8 tensor that holds what was seen at a site."""
        return int8_scale(self.seen.sites[site].samples, self.seen.sites[site].peak)

    def linear(
        self,
        name: str,
        block: int,
        source: str,
        real: RealLinear,
        target: TensorSpec,
        table: NDArray[np.int8] | None = None,
        scale_before_table: float | None = None,
    ) -> str:
        """A linear layer; `target` may have one scale a group."""
        op = Linear(name, block, (source,), name, table is not None, self.block_shape)
        scale_out = np.repeat(target.scales, target.features // len(target.scales))
        if scale_before_table is not None:
            scale_out = np.full(target.features, scale_before_table)
        mean = self.seen.means.get(name)
        mean_in = None if mean is None else mean.double().numpy()
        params = linear_params(name, real, self.scale(source), scale_out, mean_in)
        return self.append(op, target, params if table is None else {**params, "table": table})

    def layernorm(
        self, name: str, block: int, source: str, norm: nn.LayerNorm, target: TensorSpec
    ) -> str:
        params, shift, epsilon = layernorm_params(norm, self.scale(source), target.scales[0])
        op = LayerNorm(name, block, (source,), name, shift=shift, epsilon=epsilon)
        return self.append(op, target, params)

    def norm_to_int8(
        self, name: str, block: int, source: str, norm: nn.LayerNorm, site: str
    ) -> str:
        """A layer norm whose int8 output has the scale that suits `site`."""
        target = replace(self.tensors[source], bits=8, scales=(self.int8_scale(site),))
        return self.layernorm(name, block, source, norm, target)

    def add(self, name: str, block: int, a: str, b: str) -> str:
        return self.append(Add(name, block, (a, b), name), self.tensors[a])

    def select(self, name: str, x: str, index: int) -> str:
        op = SelectToken(name, -1, (x,), name, index=index)
        return self.append(op, replace(self.tensors[x], tokens=1))

    def mean(self, name: str, x: str, start: int) -> str:
        """The mean of the tokens from `start` on, in the scale of `x`."""
        spec = self.tensors[x]
        mult, shift = multipliers(np.array([1 / (spec.tokens - start)]))
        op = MeanTokens(name, -1, (x,), name, start=start, mult=mult[0], shift=shift[0])
        return self.append(op, replace(spec, tokens=1))
