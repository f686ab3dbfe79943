"""Token selections in a graph, found by comparing it with what `hw.onnx.qdq.selection` writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from hw.integer import SCORE_MAX
from hw.ir import TokenSelect
from hw.onnx.problems import Unmapped
from hw.onnx.qdq.graph import Graph
from hw.onnx.qdq.selection import PACKAGE, emit_selection
from hw.onnx.qdq.stream import wide
from hw.onnx.qdq.values import Selected, Table, Tensor, Value, View, is_whole

_THRESHOLD, _PREFIX = 77, 33
"""Of the pattern, where a graph has its own."""
_X, _KEEP, _HEADS, _OUTPUT, _BEFORE, _NAME = "x", "keep", "heads", "output", "before", "select"


@dataclass(frozen=True)
class Match:
    """A selection in a graph, by the names of its values."""

    x: str
    keep: str
    heads: str
    package: str
    """Whether its last token is a package token."""
    before: str | None
    """The same of the selection before it."""
    threshold: int
    prefix: int
    inner: frozenset[str]
    """What its nodes give, the result among them."""


def find_selections(graph: onnx.GraphProto) -> dict[str, Match]:
    """Selections, by the names of their results."""
    found: dict[str, Match] = {}
    makers = {output: node for node in graph.node for output in node.output}
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Concat" and len(node.input) == 2:
            for after in ("", _BEFORE):
                bound = _Pattern(after).match(node.output[0], makers, arrays)
                if bound is not None:
                    found[node.output[0]] = _match(bound, arrays)
                    break
    return found


def selected(match: Match, values: dict[str, Value], packages: dict[str, str], name: str) -> View:
    """What a selection gives.

    Args:
        packages: the selection behind each package flag.

    Raises:
        Unmapped: it reads something else than the machine's selections.
    """
    x = values[match.x]
    if not isinstance(x, View):
        raise Unmapped("a selection of tokens that are no activation")
    source = wide(x, f"{name}/source")
    keep, heads = _votes(values[match.keep]), _votes(values[match.heads])
    if keep.tokens != source.tokens or (heads.tokens, heads.features) != (
        keep.tokens,
        keep.features,
    ):
        raise Unmapped("votes of another shape than the tokens")
    after = packages[match.before] if match.before is not None else ""
    tensor = Selected(
        name=name,
        tokens=source.tokens,
        features=source.features,
        unit=source.unit,
        source=source,
        keep=keep,
        heads=heads,
        threshold=match.threshold,
        prefix=match.prefix,
        after=after,
    )
    return tensor.whole(*x.index.shape)


def _votes(value: Value) -> Tensor:
    if isinstance(value, View) and isinstance(value.tensor, Table):
        plain = (value.tensor.scale, value.factor, value.shift) == (1.0, 1.0, 0.0)
        if plain and is_whole(value):
            return value.tensor
    raise Unmapped("votes that are not whole numbers out of a table")


class _Pattern:
    """The nodes of a selection, with names of their own."""

    def __init__(self, after: str) -> None:
        graph = Graph()
        inputs = (_X, _KEEP, _HEADS)
        emit_selection(graph, TokenSelect(_NAME, 0, inputs, _OUTPUT, _THRESHOLD, _PREFIX, after))
        self._makers = {output: node for node in graph.nodes for output in node.output}
        self._arrays = graph.initializers
        self._free = {*inputs, f"{after}{PACKAGE}"}
        self._own = {graph.real(_THRESHOLD), graph.integers(_PREFIX)}

    def match(
        self,
        output: str,
        makers: dict[str, onnx.NodeProto],
        arrays: dict[str, onnx.TensorProto],
    ) -> dict[str, str] | None:
        """The name in a graph of every value of the pattern; None where the graph differs."""
        bound: dict[str, str] = {}
        waiting = [(_OUTPUT, output)]
        while waiting:
            ours, theirs = waiting.pop()
            if bound.setdefault(ours, theirs) != theirs:
                return None
            if ours in self._free:
                continue
            if ours in self._arrays:
                if theirs not in arrays or not self._fits(ours, arrays[theirs]):
                    return None
                continue
            a, b = self._makers[ours], makers.get(theirs)
            if b is None or a.op_type != b.op_type or len(a.input) != len(b.input):
                return None
            if sorted(x.SerializeToString() for x in a.attribute) != sorted(
                x.SerializeToString() for x in b.attribute
            ):
                return None
            waiting += zip(a.input, b.input, strict=True)
        return bound

    def _fits(self, ours: str, theirs: onnx.TensorProto) -> bool:
        a, b = numpy_helper.to_array(self._arrays[ours]), numpy_helper.to_array(theirs)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if ours in self._own:
            return bool(np.all(b == np.floor(b)) and np.all((b >= 0) & (b < 1 << 20)))
        return bool(np.array_equal(a, b))


def _match(bound: dict[str, str], arrays: dict[str, onnx.TensorProto]) -> Match:
    graph = Graph()
    threshold, prefix = (
        int(numpy_helper.to_array(arrays[bound[name]]).ravel()[0])
        for name in (graph.real(_THRESHOLD), graph.integers(_PREFIX))
    )
    free = {_X, _KEEP, _HEADS, f"{_BEFORE}{PACKAGE}"}
    inner = {theirs for ours, theirs in bound.items() if ours not in free and theirs not in arrays}
    return Match(
        x=bound[_X],
        keep=bound[_KEEP],
        heads=bound[_HEADS],
        package=bound[f"{_NAME}{PACKAGE}"],
        before=bound.get(f"{_BEFORE}{PACKAGE}"),
        threshold=min(threshold, SCORE_MAX),
        prefix=prefix,
        inner=frozenset(inner),
    )
