"""Operations of the IR as nodes of the integer form, and their parameters as initializers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hw.blocks import split_blocks
from hw.ir import Linear, Network, Op, TokenSelect
from hw.onnx.domain import DOMAIN, OF_BITS
from hw.onnx.names import IMAGE, value_name
from hw.onnx.operators import attribute_kinds

LINEAR, TABLE, JOIN, QUANTIZE = (
    "BlockSparseLinear",
    "BlockSparseTable",
    "JoinToken",
    "QuantizeImage",
)
NO_PACKAGE = "no_package"
PACKAGE, SCORES, KEPT = ".package", ".scores", ".kept"
"""Ends of the names of what a selection gives besides its tokens."""


class Initializers:
    """The constants of a graph, each under one name."""

    def __init__(self) -> None:
        self._tensors: dict[str, onnx.TensorProto] = {}

    def add(self, name: str, array: NDArray[Any]) -> str:
        self._tensors[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    @property
    def tensors(self) -> list[onnx.TensorProto]:
        return list(self._tensors.values())


def image_node(network: Network, arrays: Initializers) -> onnx.NodeProto:
    """What makes patches of the image."""
    image = network.image
    constants = [
        arrays.add(f"{IMAGE}.{name}", np.array(getattr(image, name), np.float64))
        for name in ("mean", "std", "scale")
    ]
    return _node(
        QUANTIZE,
        QUANTIZE,
        [IMAGE, *constants],
        [network.INPUT],
        patch=image.patch,
        grid=(image.height // image.patch, image.width // image.patch),
    )


def op_nodes(network: Network, op: Op, arrays: Initializers) -> list[onnx.NodeProto]:
    """The node of an operation, behind one that joins its inputs where it has two to join."""
    target = network.tensors[op.output]
    known: dict[str, Any] = {"dtype": OF_BITS[target.bits], "groups": target.groups}
    inputs, outputs = [value_name(name) for name in op.inputs], [value_name(op.output)]
    operator = type(op).__name__
    before = []
    if isinstance(op, Linear):
        operator = TABLE if op.gelu else LINEAR
        if len(inputs) > 1:
            joined = f"{op.name}.joined"
            before.append(_node(JOIN, f"{op.name}.join", inputs, [joined]))
            inputs = [joined]
        inputs += _blocks(network, op, arrays)
        known["shape"] = network.param(op, "weight").shape
    inputs += [
        arrays.add(name, network.params[name])
        for name in op.param_names()
        if name != f"{op.name}.weight"
    ]
    if isinstance(op, TokenSelect):
        first = "" if op.after else arrays.add(NO_PACKAGE, np.zeros(1, np.bool_))
        inputs.append(first or op.after + PACKAGE)
        outputs += [op.name + end for end in (PACKAGE, SCORES, KEPT)]
    attributes = {
        name: known[name] if name in known else getattr(op, name)
        for name in attribute_kinds(operator)
    }
    node = _node(operator, op.name, inputs, outputs, **attributes)
    helper.set_metadata_props(node, {"block": str(op.block)})
    return [*before, node]


def _blocks(network: Network, op: Linear, arrays: Initializers) -> list[str]:
    index, payload = split_blocks(network.param(op, "weight"), op.block_shape)
    return [
        arrays.add(f"{op.name}.index", index),
        arrays.add(f"{op.name}.payload", payload),
    ]


def _node(
    operator: str, name: str, inputs: list[str], outputs: list[str], **attributes: Any
) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, outputs, name, domain=DOMAIN, **attributes)
