"""Activation functions in standard operators."""

from __future__ import annotations

from hw.onnx.qdq.curves import Curve
from hw.onnx.qdq.graph import Graph


def emit_curve(graph: Graph, curve: Curve, source: str, output: str) -> str:
    """`f(source + center_in) - center_out`, unrounded."""
    x = graph.node("Add", [source, graph.real(curve.center_in)], f"{output}/in")
    y = f"{output}/out"
    if curve.function == "gelu":
        graph.node("Gelu", [x], y)
    elif curve.function == "gelu_tanh":
        graph.node("Gelu", [x], y, approximate="tanh")
    elif curve.function == "relu":
        graph.node("Relu", [x], y)
    else:
        steep = x
        if curve.function == "quick_gelu":
            steep = graph.node("Mul", [x, graph.real(1.702)], f"{output}/steep")
        gate = graph.node("Sigmoid", [steep], f"{output}/gate")
        graph.node("Mul", [x, gate], y)
    return graph.node("Sub", [y, graph.real(curve.center_out)], output)
