"""One operation of a network as a QDQ graph of its own, run on integers of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from hw.ir import Attend, Network, Op, Scores, Softmax, TokenSelect
from hw.onnx.names import value_name
from hw.onnx.qdq.graph import IR_VERSION, OPSET, Graph
from hw.onnx.qdq.operations import Operations
from hw.onnx.qdq.selection import PACKAGE
from sim.reference import merge_groups, split_groups

IntArray = NDArray[np.integer[Any]]


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """In one thread, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def levels_alone(
    network: Network, op: Op, inputs: list[IntArray], package: bool = False
) -> NDArray[np.float32]:
    """The output of an operation in units of its tensor, not rounded if that has 16 bits.

    Args:
        inputs: integers (tokens, features) of its input tensors.
        package: for a selection: whether its last token is a package token.
    """
    graph = Graph()
    operations = Operations(network, graph)
    operations.add(op)
    feeds: dict[str, NDArray[Any]] = {}
    for name, array in zip(op.inputs, inputs, strict=True):
        rows = isinstance(op, Softmax) or (isinstance(op, Attend) and name == op.inputs[0])
        shaped = split_groups(array, network.tensors[name].groups) if rows else array
        value, scale = value_name(name), operations.scales[name]
        if network.tensors[name].bits == 8:
            feeds[f"{value}/int8"] = shaped[None].astype(np.int8)
            zero = graph.constant("zero_point", 0, np.int8)
            levels = [f"{value}/int8", graph.scale(scale), zero]
            graph.nodes.insert(0, helper.make_node("DequantizeLinear", levels, [value]))
        else:
            feeds[value] = (shaped * scale).astype(np.float32)[None]
    if isinstance(op, TokenSelect) and op.after:
        feeds[op.after + PACKAGE] = np.array([package])
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    shape = [None] * (4 if isinstance(op, Scores | Softmax) else 3)
    output = helper.make_tensor_value_info(value_name(op.output), onnx.TensorProto.FLOAT, shape)
    proto = helper.make_graph(
        graph.nodes, "alone", infos, [output], list(graph.initializers.values())
    )
    model = helper.make_model(
        proto, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    onnx.checker.check_model(model, full_check=True)
    found = session(model).run(None, feeds)[0][0]
    flat = merge_groups(found) if found.ndim == 3 else found
    return flat / np.float32(operations.scales[op.output])
