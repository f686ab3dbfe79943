"""A token selection in standard operators: as many tokens as stay."""

from __future__ import annotations

import numpy as np
import onnx

from hw.integer import SCORE_MAX
from hw.ir import TokenSelect
from hw.onnx.names import value_name
from hw.onnx.qdq.graph import Graph

PACKAGE = "/package"
"""End of the name of a selection's bool (1): whether its last token is a package token."""


def emit_selection(graph: Graph, op: TokenSelect) -> None:
    """The tokens that stay, then the package token, of the one image.

    Votes and their weights are whole numbers, so that every comparison is exact:
    `floor(2 N / D) >= threshold` is `2 N >= threshold D`.
    """
    name = op.name
    x, keep, heads = (value_name(tensor) for tensor in op.inputs)  # (1, T, C), (1, T, heads)
    axis = graph.integers(2)
    votes = graph.node("Mul", [keep, heads], f"{name}/votes")
    votes = graph.node("ReduceSum", [votes, axis], f"{name}/votes_sum", keepdims=0)
    votes = graph.node("Add", [votes, votes], f"{name}/votes_double")  # (1, T)
    weight = graph.node("ReduceSum", [heads, axis], f"{name}/weight_sum", keepdims=0)
    weight = graph.node("Max", [weight, graph.real(1.0)], f"{name}/weight")
    least = graph.node("Mul", [weight, graph.real(op.threshold)], f"{name}/least")
    kept = graph.node("GreaterOrEqual", [votes, least], f"{name}/reached")

    shape = graph.node("Shape", [votes], f"{name}/tokens_in/shape", start=1, end=2)
    zero, one = (graph.constant(f"count_{n}", n, np.int64) for n in (0, 1))
    tokens = graph.node("Squeeze", [shape, graph.integers(0)], f"{name}/tokens_in")
    places = graph.node("Range", [zero, tokens, one], f"{name}/places")
    prefix = graph.node("Less", [places, graph.integers(op.prefix)], f"{name}/prefix")
    kept = graph.node("Or", [kept, prefix], f"{name}/voted")
    if op.after:
        last = graph.node("Sub", [tokens, one], f"{name}/last/place")
        last = graph.node("Equal", [places, last], f"{name}/last")
        merged = graph.node("And", [last, f"{op.after}{PACKAGE}"], f"{name}/merged")
        merged = graph.node("Not", [merged], f"{name}/others")
        kept = graph.node("And", [kept, merged], f"{name}/kept")

    flat = graph.node("Reshape", [kept, graph.integers(-1)], f"{name}/kept/flat")
    stay = graph.node("NonZero", [flat], f"{name}/kept/places")
    stay = graph.node("Reshape", [stay, graph.integers(-1)], f"{name}/kept/list")
    stay = graph.node("Gather", [x, stay], f"{name}/stay", axis=1)

    scores = graph.node("Div", [votes, weight], f"{name}/scores/real")
    scores = graph.node("Floor", [scores], f"{name}/scores/floor")
    scores = graph.node("Clip", [scores, graph.real(1.0), graph.real(SCORE_MAX)], f"{name}/scores")
    dropped = graph.node("Not", [kept], f"{name}/dropped/flags")
    dropped = graph.node("Cast", [dropped], f"{name}/dropped", to=onnx.TensorProto.FLOAT)
    shares = graph.node("Mul", [scores, dropped], f"{name}/shares")  # (1, T)
    total = graph.node("ReduceSum", [shares, graph.integers(1)], f"{name}/total", keepdims=1)
    any_ = graph.node("Greater", [total, graph.real(0.0)], f"{name}/any")
    graph.node("Reshape", [any_, graph.integers(1)], f"{name}{PACKAGE}")
    total = graph.node("Max", [total, graph.real(1.0)], f"{name}/total/positive")
    shares = graph.node("Div", [shares, total], f"{name}/shares/unit")
    shares = graph.node("Unsqueeze", [shares, graph.integers(1)], f"{name}/shares/row")
    package = graph.node("MatMul", [shares, x], f"{name}/average")  # (1, 1, C)
    count = graph.node("Cast", [f"{name}{PACKAGE}"], f"{name}/count", to=onnx.TensorProto.INT64)
    limits = [graph.integers(0), count, graph.integers(1)]
    package = graph.node("Slice", [package, *limits], f"{name}/dropped/average")
    graph.node("Concat", [stay, package], value_name(op.output), axis=1)
