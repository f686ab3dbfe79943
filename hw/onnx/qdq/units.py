"""What a unit of 16 bits is worth, where the machine has 16 bits and the graph real numbers.

Tensors that additions and moves of tokens join have one unit. It is the one that the file states,
or the finest that holds all that the graph would round to int8 there; for the logits alone it may
be the finest that holds whatever the weights can give.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hw.errors import UserError
from hw.integer import INT8_MIN, INT16_MAX
from hw.onnx.qdq.values import (
    Embedded,
    Mean,
    Mixed,
    Norm,
    Picked,
    Product,
    Selected,
    Sum,
    Table,
    Tensor,
)

_MOVED = (Embedded, Picked, Mean, Selected)


def sources(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors that one is made of."""
    if isinstance(tensor, Product):
        return tuple(term.source for term in tensor.terms)
    if isinstance(tensor, Table):
        return (tensor.product,)
    if isinstance(tensor, Mixed):
        rows = tensor.rows
        return (rows.queries.tensor, rows.keys.tensor, tensor.values.tensor)
    if isinstance(tensor, Sum):
        return (tensor.a, tensor.b)
    if isinstance(tensor, Selected):
        return (tensor.source, tensor.keep, tensor.heads)
    if isinstance(tensor, Norm | Embedded | Picked | Mean):
        return (tensor.source,)
    return ()


def _joined(tensor: Tensor) -> Iterator[tuple[Tensor, float]]:
    """Tensors of the same unit, and that unit by the tensor's."""
    if isinstance(tensor, Sum):
        yield tensor.a, 1.0 / tensor.gain
        yield tensor.b, 1.0 / tensor.gain
    elif isinstance(tensor, _MOVED):
        yield tensor.source, 1.0


class Units:
    """The unit of every tensor of 16 bits behind an output."""

    def __init__(self, output: Tensor, source: str) -> None:
        """`source` is the name of the file."""
        self._source = source
        self._output = output
        self._links: dict[int, list[tuple[Tensor, float]]] = {}
        self._votes: set[int] = set()
        self._known: dict[int, float] = {}
        seen, waiting = {id(output)}, [output]
        while waiting:
            tensor = waiting.pop()
            for other, ratio in _joined(tensor):
                self._links.setdefault(id(tensor), []).append((other, ratio))
                self._links.setdefault(id(other), []).append((tensor, 1.0 / ratio))
            if isinstance(tensor, Selected):
                self._votes |= {id(tensor.keep), id(tensor.heads)}
            for other in sources(tensor):
                if id(other) not in seen:
                    seen.add(id(other))
                    waiting.append(other)

    def votes(self, tensor: Tensor) -> bool:
        """Whether a tensor is read by a selection, in 16 bits."""
        return id(tensor) in self._votes

    def of(self, tensor: Tensor) -> float:
        """The unit of a tensor.

        Raises:
            UserError: nothing says what it is.
        """
        if id(tensor) not in self._known:
            self._settle(tensor)
        return self._known[id(tensor)]

    def _settle(self, tensor: Tensor) -> None:
        ratios, waiting = {id(tensor): 1.0}, [tensor]
        group = {id(tensor): tensor}
        while waiting:
            one = waiting.pop()
            for other, ratio in self._links.get(id(one), []):
                if id(other) not in ratios:
                    ratios[id(other)] = ratios[id(one)] * ratio
                    group[id(other)] = other
                    waiting.append(other)
        stated = [one.unit / ratios[key] for key, one in group.items() if one.unit is not None]
        # What a mean is rounded to says nothing about the tokens that it is the mean of.
        means = [one.source for one in group.values() if isinstance(one, Mean)]
        stated += [
            float(_bound(one).max()) / INT16_MAX / ratios[id(one)]
            for one in means
            if isinstance(one, Product) and one.unit is None
        ]
        if stated:
            unit = max(stated)
        elif id(self._output) in group:
            unit = float(_bound(self._output).max()) / INT16_MAX / ratios[id(self._output)]
        else:
            raise UserError(
                f"{self._source}: {tensor.name}: 16 bits in the machine, and nothing says what "
                "they are worth; round it to int8 in the graph, or annotate it with a SCALE_TENSOR"
            )
        for key, ratio in ratios.items():
            self._known[key] = unit * ratio


def _bound(tensor: Tensor) -> np.ndarray:
    """Largest magnitude of each feature (features)."""
    if isinstance(tensor, Product):
        total = np.abs(tensor.bias)
        for term in tensor.terms:
            reach = np.abs(term.levels.astype(np.float64)).sum(axis=1) * -INT8_MIN
            total = total + reach * term.scales * (term.source.scale or 1.0)
        return np.maximum(total, np.finfo(np.float32).tiny)
    if isinstance(tensor, Norm):
        reach = np.abs(tensor.gain) * np.sqrt(tensor.features) + np.abs(tensor.offset)
        return np.maximum(reach, np.finfo(np.float32).tiny)
    if isinstance(tensor, Sum):
        return tensor.gain * (_bound(tensor.a) + _bound(tensor.b))
    return _bound(sources(tensor)[0])
