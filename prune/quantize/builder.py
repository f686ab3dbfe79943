"""Building a network of the IR: one method an operation, which returns the tensor it writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hw.ir import Add, LayerNorm, Linear, MeanTokens, Op, SelectToken, TensorSpec
from hw.quantization import Floats, RealNorm, layernorm_params
from prune.quantize.linear import RealLinear, linear_params
from prune.quantize.observe import Site
from prune.quantize.scales import int8_scale
from prune.quantize.smooth import Smoothing
from prune.quantize.table import Table


@dataclass
class Builder:
    """The network so far, and the statistics its scales come from."""

    seen: dict[str, Site]
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

    def peak(self, sites: Iterable[str]) -> float:
        """Largest absolute value at those of `sites` that were seen."""
        return max((self.seen[name].peak for name in sites if name in self.seen), default=0.0)

    def linear(
        self,
        name: str,
        block: int,
        source: str,
        real: RealLinear,
        target: TensorSpec,
        mean_in: Floats | None = None,
        table: Table | None = None,
        common: str | None = None,
    ) -> str:
        """A linear layer; `target` may have one scale a group.

        Args:
            real: the layer, less the table's center.
            mean_in: mean of the input (features), to correct the bias by.
            table: the activation function after the layer.
            common: a tensor of one token, in the scale of `source`, whose features follow those of
                every token.
        """
        sources = (source,) if common is None else (source, common)
        op = Linear(name, block, sources, name, table is not None, self.block_shape)
        scale_out = np.repeat(target.scales, target.features // len(target.scales))
        if table is not None:
            scale_out = np.full(target.features, table.scale_in)
        params = linear_params(name, real, self.scale(source), scale_out, mean_in)
        if table is not None:
            params["table"] = table.entries
        return self.append(op, target, params)

    def layernorm(
        self, name: str, block: int, source: str, norm: RealNorm, target: TensorSpec
    ) -> str:
        params, shift, epsilon = layernorm_params(norm, self.scale(source), target.scales[0])
        op = LayerNorm(name, block, (source,), name, shift=shift, epsilon=epsilon)
        return self.append(op, target, params)

    def norm_and_linear(
        self,
        names: tuple[str, str],
        block: int,
        source: str,
        norm: nn.LayerNorm,
        real: RealLinear,
        target: TensorSpec,
        table: Table | None = None,
        site: str | None = None,
    ) -> str:
        """A layer norm to int8 and the linear layer that reads it, smoothed.

        Args:
            names: of the norm and of the layer.
            site: what the norm's output looks like; by default the input of the layer.
        """
        seen = self.seen[site or f"{names[1]}.in"]
        smoothing = Smoothing.between(seen, real)
        smooth = smoothing.site(seen)
        spec = replace(self.tensors[source], bits=8, scales=(int8_scale(smooth),))
        normed = self.layernorm(names[0], block, source, smoothing.norm(norm), spec)
        real = smoothing.consumer(real)
        return self.linear(names[1], block, normed, real, target, smooth.mean, table)

    def add(self, name: str, block: int, a: str, b: str) -> str:
        return self.append(Add(name, block, (a, b), name), self.tensors[a])

    def select(self, name: str, x: str, index: int) -> str:
        op = SelectToken(name, -1, (x,), name, index=index)
        return self.append(op, replace(self.tensors[x], tokens=1))

    def mean(self, name: str, x: str, start: int, block: int = -1) -> str:
        """The mean of the tokens from `start` on, in the scale of `x`."""
        op = MeanTokens(name, block, (x,), name, start=start)
        return self.append(op, replace(self.tensors[x], tokens=1))
