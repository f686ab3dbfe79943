"""The network of the IR behind the tensors of a QDQ graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.errors import UserError
from hw.integer import INT8_MIN
from hw.ir import (
    Add,
    Attend,
    Embed,
    LayerNorm,
    Linear,
    MeanTokens,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TensorSpec,
    TokenSelect,
)
from hw.onnx.names import tensor_name
from hw.onnx.qdq.tables import fitted
from hw.onnx.qdq.units import Units
from hw.onnx.qdq.values import (
    Embedded,
    Heads,
    Mean,
    Mixed,
    Norm,
    Patches,
    Picked,
    Product,
    Selected,
    Sum,
    Table,
    Tensor,
    Term,
)
from hw.quantization import (
    LEAST_PROBABILITY,
    SCORE_SCALE,
    RealNorm,
    layernorm_params,
    multipliers,
    probability_multiplier,
    requantization,
    to_int16,
)

_MOST_SUM = float(1 << 31)


class NetworkBuilder:
    """Operations, tensors and parameters, each tensor's behind those that it is made of."""

    def __init__(self, units: Units, block_shape: tuple[int, int], source: str) -> None:
        self.ops: list[Op] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.params: dict[str, NDArray[Any]] = {}
        self.patches: Patches | None = None
        self._units = units
        self._block_shape = block_shape
        self._source = source
        self._emitters: dict[type[Tensor], Callable[[Any, str], None]] = {
            Product: self._product,
            Table: self._table,
            Mixed: self._mixed,
            Norm: self._norm,
            Embedded: self._embedded,
            Sum: self._sum,
            Picked: self._picked,
            Mean: self._mean,
            Selected: self._selected,
        }

    def add(self, tensor: Tensor) -> str:
        """The tensor's name in the network, with all that it is made of.

        Raises:
            UserError: two of its readers want different things.
        """
        if isinstance(tensor, Patches):
            self.patches = tensor
            spec = TensorSpec(tensor.tokens, tensor.features, 8, (self._scale(tensor),))
            self.tensors["patches"] = spec
            return "patches"
        name = tensor_name(tensor.name)
        bits = 8 if tensor.scale is not None and not self._votes(tensor) else 16
        known = self.tensors.get(name)
        if known is None:
            emit = self._emitters.get(type(tensor))
            if emit is None:
                raise UserError(
                    f"{self._source}: {tensor.name}: attention or pixels, read as tokens"
                )
            self._check_finite(tensor)
            emit(tensor, name)
        elif (known.bits, known.tokens, known.features) != (bits, tensor.tokens, tensor.features):
            raise UserError(
                f"{self._source}: {tensor.name} has {known.bits} bits for one of its readers and "
                f"{bits} for another, expected one form of it; round it for all of them or for none"
            )
        return name

    def _check_finite(self, tensor: Tensor) -> None:
        for value in vars(tensor).values():
            if isinstance(value, np.ndarray | float) and not np.isfinite(value).all():
                raise UserError(f"{self._source}: {tensor.name}: constants that are not finite")

    def _votes(self, tensor: Tensor) -> bool:
        return isinstance(tensor, Table) and self._units.votes(tensor)

    def _scale(self, tensor: Tensor) -> float:
        return tensor.scale if tensor.scale is not None else self._units.of(tensor)

    def _append(self, op: Op, spec: TensorSpec, **params: NDArray[Any]) -> None:
        self.ops.append(op)
        self.tensors[op.output] = spec
        self.params |= {f"{op.name}.{suffix}": array for suffix, array in params.items()}

    def _spec(self, tensor: Tensor) -> TensorSpec:
        bits = 8 if tensor.scale is not None else 16
        return TensorSpec(tensor.tokens, tensor.features, bits, (self._scale(tensor),))

    def _linear(
        self,
        name: str,
        product: Product,
        scale_out: float | NDArray[np.float64],
        spec: TensorSpec,
        table: NDArray[np.int8] | None = None,
    ) -> None:
        first = product.terms[0]
        sources = tuple(self.add(term.source) for term in product.terms)
        scale_in = self._scale(first.source)
        weight = np.concatenate([term.levels for term in product.terms], axis=1)
        scales = first.scales
        if len(product.terms) > 1:
            other = product.terms[1]
            unit = other.scales * self._scale(other.source) / scale_in
            scales = np.where(first.levels.any(axis=1), scales, unit)
        params = requantization(scale_in, scales, scale_out, product.bias)
        largest = np.abs(weight.astype(np.float64)).sum(axis=1) * -INT8_MIN
        if (largest + np.abs(params["bias"].astype(np.float64)) >= _MOST_SUM).any():
            raise UserError(
                f"{self._source}: {name}: sums may overflow the int32 accumulator; expected "
                "smaller biases or fewer inputs"
            )
        if table is not None:
            params["table"] = table
        op = Linear(name, -1, sources, name, table is not None, self._block_shape)
        self._append(op, spec, weight=np.ascontiguousarray(weight), **params)

    def _product(self, tensor: Product, name: str) -> None:
        self._linear(name, tensor, self._scale(tensor), self._spec(tensor))

    def _table(self, tensor: Table, name: str) -> None:
        product, scale_in, entries = fitted(tensor)
        bits = 16 if self._votes(tensor) else 8
        spec = TensorSpec(tensor.tokens, tensor.features, bits, (self._scale(tensor),))
        self._linear(name, product, scale_in, spec, entries)

    def _mixed(self, tensor: Mixed, name: str) -> None:
        """Attention: q, k and v of all heads as one layer, scores, softmax, and what they weigh."""
        rows = tensor.rows
        heads, tokens, parts = len(rows.factor), rows.tokens, (rows.queries, rows.keys)
        qkv = self._qkv((*parts, tensor.values))
        query, key, value = np.reshape(self.tensors[qkv].scales, (3, heads))
        mult, shift = multipliers(query * key * rows.factor / SCORE_SCALE)
        path = name.removesuffix(".attend")
        scores, shares = f"{path}.scores", f"{path}.softmax"
        spec = TensorSpec(tokens, heads * tokens, 16, (SCORE_SCALE,), heads)
        self._append(Scores(scores, -1, (qkv,), scores, heads, mult, shift), spec)
        scale = max(self._scale(rows), LEAST_PROBABILITY)
        softmax = Softmax(shares, -1, (scores,), shares, probability_multiplier(scale))
        spec = TensorSpec(tokens, heads * tokens, 8, (scale,), heads)
        self._append(softmax, spec)
        scale_out = self._scale(tensor)
        mult, shift = multipliers(scale * value * tensor.factor / scale_out)
        spec = TensorSpec(tokens, tensor.features, 8, (scale_out,), heads)
        self._append(Attend(name, -1, (shares, qkv), name, heads, mult, shift), spec)

    def _qkv(self, parts: tuple[Heads, ...]) -> str:
        """One layer of the features of queries, keys and values, in that order."""
        layers = [part.tensor for part in parts]
        if not all(isinstance(layer, Product) and len(layer.terms) == 1 for layer in layers):
            raise UserError(
                f"{self._source}: attention of {layers[0].name}: queries, keys and values, "
                "expected linear layers, rounded to int8"
            )
        products = [layer for layer in layers if isinstance(layer, Product)]
        sources = {id(product.terms[0].source) for product in products}
        if len(sources) > 1 or len({part.features.shape for part in parts}) > 1:
            raise UserError(
                f"{self._source}: attention of {layers[0].name}: queries, keys and values of "
                "different inputs or widths, expected self-attention"
            )
        chosen = [part.features.ravel() for part in parts]
        terms = [product.terms[0] for product in products]
        pairs = list(zip(terms, chosen, strict=True))
        term = Term(
            source=terms[0].source,
            levels=np.concatenate([t.levels[rows] for t, rows in pairs]),
            scales=np.concatenate([t.scales[rows] for t, rows in pairs]),
        )
        bias = np.concatenate([p.bias[rows] for p, rows in zip(products, chosen, strict=True)])
        name = tensor_name(products[0].name)
        tokens, heads = products[0].tokens, len(parts[0].features)
        scales = tuple(float(p.scale or 1.0) for p in products for _ in range(heads))
        by_channel = np.repeat(scales, len(bias) // len(scales))
        whole = Product(name=name, tokens=tokens, features=len(bias), terms=(term,), bias=bias)
        spec = TensorSpec(tokens, len(bias), 8, scales, 3 * heads)
        self._linear(name, whole, by_channel, spec)
        return name

    def _norm(self, tensor: Norm, name: str) -> None:
        source = self.add(tensor.source)
        real = RealNorm(tensor.gain, tensor.offset, tensor.epsilon)
        scales = self._scale(tensor.source), self._scale(tensor)
        params, shift, epsilon = layernorm_params(real, *scales)
        op = LayerNorm(name, -1, (source,), name, shift=shift, epsilon=epsilon)
        self._append(op, self._spec(tensor), **params)

    def _embedded(self, tensor: Embedded, name: str) -> None:
        source, unit = self.add(tensor.source), self._scale(tensor)
        prefix, position = (to_int16(x, unit) for x in (tensor.prefix, tensor.position))
        op = Embed(name, -1, (source,), name)
        self._append(op, self._spec(tensor), prefix=prefix, position=position)

    def _sum(self, tensor: Sum, name: str) -> None:
        sources = (self.add(tensor.a), self.add(tensor.b))
        self._append(Add(name, -1, sources, name), self._spec(tensor))

    def _picked(self, tensor: Picked, name: str) -> None:
        op = SelectToken(name, -1, (self.add(tensor.source),), name, index=tensor.place)
        self._append(op, self._spec(tensor))

    def _mean(self, tensor: Mean, name: str) -> None:
        op = MeanTokens(name, -1, (self.add(tensor.source),), name, start=tensor.start)
        self._append(op, self._spec(tensor))

    def _selected(self, tensor: Selected, name: str) -> None:
        inputs = tuple(self.add(part) for part in (tensor.source, tensor.keep, tensor.heads))
        op = TokenSelect(name, -1, inputs, name, tensor.threshold, tensor.prefix, tensor.after)
        self._append(op, self._spec(tensor))
