"""Operations of the IR as standard operators between Q/DQ pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from hw.integer import INT8_MIN
from hw.ir import (
    Add,
    Attend,
    Embed,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TokenSelect,
)
from hw.onnx.names import value_name
from hw.onnx.qdq.activation import emit_curve
from hw.onnx.qdq.curves import find_curve
from hw.onnx.qdq.graph import Graph
from hw.onnx.qdq.scales import factors, real_norm, single, tensor_scales
from hw.onnx.qdq.selection import emit_selection

_TABLE_SCALE = 1.0
"""Of the input of a table that is looked up: its levels are the places."""


class Operations:
    """Adds a network's operations to a graph; a tensor is the value with its name.

    Values are float32 (N, tokens, features), those of attention's rows (N, heads, tokens, tokens).
    """

    def __init__(self, network: Network, graph: Graph) -> None:
        self.network = network
        self.graph = graph
        self.scales = tensor_scales(network)
        self._emitters: dict[type[Op], Callable[[Any], None]] = {
            Linear: self._linear,
            Scores: self._scores,
            Softmax: self._softmax,
            Attend: self._attend,
            LayerNorm: self._layernorm,
            Embed: self._embed,
            Add: self._add,
            SelectToken: self._select,
            MeanTokens: self._mean,
            TokenSelect: self._token_select,
        }

    def add(self, op: Op) -> None:
        self._emitters[type(op)](op)

    def _finish(self, op: Op, bits: int | None = None) -> str:
        """Name of the value before rounding; with 8 bits, the rounding that follows it."""
        if (bits or self.network.tensors[op.output].bits) == 16:
            return value_name(op.output)
        return f"{op.output}/real"

    def _round(self, op: Op, bits: int | None = None) -> None:
        if (bits or self.network.tensors[op.output].bits) == 8:
            output = value_name(op.output)
            self.graph.quantized(f"{op.output}/real", self.scales[op.output], output)

    def _linear(self, op: Linear) -> None:
        if not op.gelu:
            self._product(op, self.scales[op.output], self._finish(op))
            self._round(op)
            return
        graph, scale_out = self.graph, self.scales[op.output]
        table = self.network.param(op, "table")
        curve = find_curve(table, scale_out) if self.network.tensors[op.output].bits == 8 else None
        scale = curve.scale_in if curve else _TABLE_SCALE
        sums = self._product(op, scale, f"{op.name}/sums/real")
        sums = graph.quantized(sums, scale, f"{op.name}/sums")
        if curve:
            emit_curve(graph, curve, sums, f"{op.output}/real")
        else:
            first = graph.node("Sub", [sums, graph.real(INT8_MIN)], f"{op.name}/places/real")
            places = graph.node("Cast", [first], f"{op.name}/places", to=onnx.TensorProto.INT32)
            entries = graph.constant(f"{op.name}.table", table * scale_out)
            graph.node("Gather", [entries, places], f"{op.output}/real", axis=0)
        self._round(op, bits=8)

    def _product(self, op: Linear, scale_out: float, output: str) -> str:
        """The sums of a linear layer in real numbers, as yet unrounded."""
        network, graph, name = self.network, self.graph, op.name
        factor = factors(network.param(op, "mult"), network.param(op, "shift"))
        weight = network.param(op, "weight").T * (factor > 0).astype(np.int8)  # (in, out)
        factor = np.where(factor > 0, factor, 1.0)
        parts: list[str] = []
        start = 0
        for number, source in enumerate(op.inputs):
            stop = start + network.tensors[source].features
            part = f"{name}.weight" + (".common" if number else "")
            scales = factor * scale_out / self.scales[source]
            real = graph.weight(part, np.ascontiguousarray(weight[start:stop]), scales)
            product = f"{name}/product" + ("/common" if number else "")
            parts.append(graph.node("MatMul", [value_name(source), real], product))
            start = stop
        sums = parts[0]
        if len(parts) > 1:
            sums = graph.node("Add", parts, f"{name}/products")
        bias = network.param(op, "bias") * (factor * scale_out)
        # ONNX Runtime has an int8 kernel for a product with a bias of one axis only if the sum is
        # rounded to 8 bits; of two axes it leaves the addition, and the product stays int8.
        wide = output == value_name(op.output)
        shaped = bias[None] if wide else bias
        return graph.node("Add", [sums, graph.constant(f"{name}.bias", shaped)], output)

    def _heads(self, qkv: str, heads: int, part: int) -> str:
        """The q (0), k (1) or v (2) of all heads: (N, heads, tokens, features), k transposed."""
        graph, spec = self.graph, self.network.tensors[qkv]
        name = f"{qkv}/{'qkv'[part]}"
        if all(node.name != f"{qkv}/q/flat" for node in graph.nodes):
            flat = [f"{qkv}/{which}/flat" for which in "qkv"]
            sizes = graph.integers(*[spec.features // 3] * 3)
            graph.split([value_name(qkv), sizes], flat, axis=2)
        shape = graph.integers(0, 0, heads, spec.group_features)
        split = graph.node("Reshape", [f"{name}/flat", shape], f"{name}/heads")
        return graph.node(
            "Transpose", [split], name, perm=(0, 2, 3, 1) if part == 1 else (0, 2, 1, 3)
        )

    def _by_head(self, op: Scores | Attend, product: str, scale_in: float, output: str) -> str:
        """`product`, whose units are worth `scale_in`, times what each head's are worth."""
        scale_out = self.scales[op.output]
        values = factors(op.mult, op.shift) * scale_out / scale_in
        factor = self.graph.constant(f"{op.name}.factor", values[:, None, None])
        return self.graph.node("Mul", [product, factor], output)

    def _scores(self, op: Scores) -> None:
        (qkv,) = op.inputs
        query, key = (self._heads(qkv, op.heads, part) for part in (0, 1))
        product = self.graph.node("MatMul", [query, key], f"{op.name}/product")
        self._by_head(op, product, self.scales[qkv] ** 2, value_name(op.output))

    def _softmax(self, op: Softmax) -> None:
        self.graph.node("Softmax", [value_name(op.inputs[0])], self._finish(op), axis=-1)
        self._round(op)

    def _attend(self, op: Attend) -> None:
        graph, (shares, qkv) = self.graph, op.inputs
        values = self._heads(qkv, op.heads, 2)
        product = graph.node("MatMul", [value_name(shares), values], f"{op.name}/product")
        scale_in = self.scales[shares] * self.scales[qkv]
        mixed = self._by_head(op, product, scale_in, f"{op.name}/heads")
        mixed = graph.node("Transpose", [mixed], f"{op.name}/tokens", perm=(0, 2, 1, 3))
        shape = graph.integers(0, 0, self.network.tensors[op.output].features)
        graph.node("Reshape", [mixed, shape], self._finish(op))
        self._round(op)

    def _layernorm(self, op: LayerNorm) -> None:
        graph = self.graph
        real = real_norm(self.network, op, self.scales[op.inputs[0]], self.scales[op.output])
        inputs = [
            value_name(op.inputs[0]),
            graph.constant(f"{op.name}.gain", real.gain),
            graph.constant(f"{op.name}.offset", real.offset),
        ]
        epsilon = single(real.epsilon)
        graph.node("LayerNormalization", inputs, self._finish(op), axis=-1, epsilon=epsilon)
        self._round(op)

    def _embed(self, op: Embed) -> None:
        graph, scale = self.graph, self.scales[op.output]
        prefix, position = (self.network.param(op, name) for name in ("prefix", "position"))
        tokens = value_name(op.inputs[0])
        if len(prefix):
            pads = graph.integers(0, len(prefix), 0, 0, 0, 0)
            tokens = graph.node("Pad", [tokens, pads], f"{op.name}/behind_prefix")
        position = position.astype(np.float64)
        position[: len(prefix)] += prefix
        positions = graph.constant(f"{op.name}.positions", position[None] * scale)
        graph.node("Add", [tokens, positions], value_name(op.output))

    def _add(self, op: Add) -> None:
        graph, output = self.graph, value_name(op.output)
        ratios = [single(self.scales[op.output] / self.scales[name]) for name in op.inputs]
        terms = [value_name(name) for name in op.inputs]
        if ratios[0] != ratios[1]:
            terms = [
                graph.node("Mul", [term, graph.real(ratio)], f"{op.name}/term{i}")
                for i, (term, ratio) in enumerate(zip(terms, ratios, strict=True))
            ]
            ratios = [1.0, 1.0]
        if ratios[0] == 1.0:
            graph.node("Add", terms, output)
        else:
            total = graph.node("Add", terms, f"{op.name}/total")
            graph.node("Mul", [total, graph.real(ratios[0])], output)

    def _select(self, op: SelectToken) -> None:
        inputs = [value_name(op.inputs[0]), self.graph.integers(op.index)]
        self.graph.node("Gather", inputs, value_name(op.output), axis=1)

    def _mean(self, op: MeanTokens) -> None:
        graph, tokens = self.graph, value_name(op.inputs[0])
        if op.start:
            limits = [graph.integers(n) for n in (op.start, np.iinfo(np.int64).max, 1)]
            tokens = graph.node("Slice", [tokens, *limits], f"{op.name}/tokens")
        graph.node("ReduceMean", [tokens, graph.integers(1)], value_name(op.output), keepdims=1)

    def _token_select(self, op: TokenSelect) -> None:
        emit_selection(self.graph, op)
