"""A network of the IR as integer ONNX: a node an operation, kept blocks only."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import helper

from hw.ir import Network
from hw.onnx.domain import DOMAIN, IR_VERSION, OPSET, VERSION
from hw.onnx.names import LOGITS, check_names, value_name
from hw.onnx.nodes import Initializers, image_node, op_nodes
from hw.onnx.operators import OPERATORS, function_protos
from hw.onnx.values import image_info, logits_info, tensor_infos

FORMAT_VERSION = 1
"""Of the metadata of a file's model, nodes and values."""
_TOKEN_AXIS = "token_axis"


def export_integer(network: Network) -> onnx.ModelProto:
    """The network as integer ONNX: `image` float32 (N, C, H, W) to `logits` int16 (N, classes).

    Every operation is a node of the domain `blockvit`, with the operation's name, and every value
    between them a tensor of the IR with that tensor's name, int8 or int16 (N, tokens, features).
    N is free, but 1 where tokens are selected.

    Raises:
        UserError: the network is not consistent, or two of its names would be one in the file.
    """
    network.validate()
    arrays = Initializers()
    nodes = [image_node(network, arrays)]
    for op in network.ops:
        nodes += op_nodes(network, op, arrays)
    arrays.add(_TOKEN_AXIS, np.array([1], np.int64))
    last = [value_name(network.output), _TOKEN_AXIS]
    nodes.append(helper.make_node("Squeeze", last, [LOGITS]))
    graph = helper.make_graph(
        nodes,
        network.model,
        [image_info(network)],
        [logits_info(network)],
        arrays.tensors,
        value_info=list(tensor_infos(network)),
    )
    check_names(graph)
    used = {node.op_type for node in nodes if node.domain == DOMAIN}
    model = helper.make_model(
        graph,
        producer_name="blockvit",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        functions=function_protos(OPERATORS[name] for name in sorted(used)),
    )
    helper.set_model_props(
        model,
        {
            "format": str(FORMAT_VERSION),
            "model": network.model,
            "weights_source": str(network.info.get("weights_source", "unknown")),
            "info": json.dumps(network.info),
        },
    )
    return model
