"""A network of the IR as a QDQ graph in standard operators."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import helper

from hw.ir import Linear, Network, TokenSelect
from hw.onnx.names import IMAGE, LOGITS, check_names, value_name
from hw.onnx.qdq.compact import without_idle_units
from hw.onnx.qdq.graph import IR_VERSION, OPSET, Graph
from hw.onnx.qdq.operations import Operations

FORMAT = "blockvit-qdq 1"
SCALES = "scales_16_bit"
"""Key of the metadata that hold the scales of values that have 16 bits in the machine."""
BATCH = "N"


def export_qdq(network: Network) -> onnx.ModelProto:
    """The network as QDQ ONNX: `image` (N, C, H, W) in [0, 1] to real `logits` (N, classes).

    Int8 tensors stand between `QuantizeLinear` and `DequantizeLinear` with zero point 0, weights
    behind `DequantizeLinear` with a scale an output; all else is float32. A tensor of the IR is the
    value with its name; those that have 16 bits in the machine have their scale in the metadata. N
    is free, but 1 where tokens are selected. Hidden units that pruning has cut off are left out.

    Raises:
        UserError: the network is not consistent, or two of its names would be one in the file.
    """
    network.validate()
    network = without_idle_units(network)
    graph = Graph()
    operations = Operations(network, graph)
    _image(network, graph, operations.scales[network.INPUT])
    for op in network.ops:
        operations.add(op)
    last = [value_name(network.output), graph.integers(1)]
    graph.node("Squeeze", last, LOGITS)
    return _model(network, graph, operations.scales)


def _image(network: Network, graph: Graph, scale: float) -> None:
    """The image, normalized, cut into patches and rounded."""
    spec = network.image
    channel = (1, -1, 1, 1)
    x = graph.node(
        "Sub",
        [IMAGE, graph.constant(f"{IMAGE}/mean", np.reshape(spec.mean, channel))],
        f"{IMAGE}/centred",
    )
    x = graph.node(
        "Div",
        [x, graph.constant(f"{IMAGE}/std", np.reshape(spec.std, channel))],
        f"{IMAGE}/normalized",
    )
    rows, columns, p = spec.height // spec.patch, spec.width // spec.patch, spec.patch
    if (rows * p, columns * p) != (spec.height, spec.width):
        limits = [graph.integers(0, 0), graph.integers(rows * p, columns * p), graph.integers(2, 3)]
        x = graph.node("Slice", [x, *limits], f"{IMAGE}/whole")
    shape = graph.integers(0, spec.channels, rows, p, columns, p)
    x = graph.node("Reshape", [x, shape], f"{IMAGE}/grid")
    x = graph.node("Transpose", [x], f"{IMAGE}/patches", perm=(0, 2, 4, 1, 3, 5))
    shape = graph.integers(0, rows * columns, spec.channels * p * p)
    x = graph.node("Reshape", [x, shape], f"{network.INPUT}/real")
    graph.quantized(x, scale, value_name(network.INPUT))


def _model(network: Network, graph: Graph, scales: dict[str, float]) -> onnx.ModelProto:
    spec = network.image
    selects = any(isinstance(op, TokenSelect) for op in network.ops)
    batch: int | str = 1 if selects else BATCH
    pixels = (batch, spec.channels, spec.height, spec.width)
    classes = network.tensors[network.output].features
    kind = onnx.TensorProto.FLOAT
    proto = helper.make_graph(
        graph.nodes,
        network.model,
        [helper.make_tensor_value_info(IMAGE, kind, pixels)],
        [helper.make_tensor_value_info(LOGITS, kind, (batch, classes))],
        list(graph.initializers.values()),
    )
    check_names(proto)
    model = helper.make_model(
        proto,
        producer_name="blockvit",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    wide = {name: scales[name] for name, spec in network.tensors.items() if spec.bits == 16}
    shapes = sorted({op.block_shape for op in network.ops if isinstance(op, Linear)})
    helper.set_model_props(
        model,
        {
            "format": FORMAT,
            "model": network.model,
            "weights_source": str(network.info.get("weights_source", "unknown")),
            "block_shapes": " ".join(f"{out}x{in_}" for out, in_ in shapes),
            SCALES: json.dumps({value_name(name): scale for name, scale in wide.items()}),
        },
    )
    return model
