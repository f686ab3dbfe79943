"""Nodes of the integer form as operations of the IR."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hw.blocks import join_blocks
from hw.ir import OP_KINDS, ImageSpec, Linear, Op, TokenSelect
from hw.onnx.names import tensor_name
from hw.onnx.nodes import LINEAR, TABLE
from hw.onnx.operators import OPERATORS, attribute_kinds
from hw.onnx.problems import Unmapped

_KINDS = {kind.__name__: kind for kind in OP_KINDS.values() if kind is not Linear}
_BASE = {field.name for field in fields(Op)}


class NodeReader:
    """Reads nodes in their order; `params` gathers the arrays of the operations."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._joined: dict[str, tuple[str, ...]] = {}
        self._packages: dict[str, str] = {}
        self.params: dict[str, NDArray[Any]] = {}

    def op(self, node: onnx.NodeProto) -> Op:
        """The operation of a node.

        Raises:
            Unmapped: it has none.
        """
        if not node.name:
            raise Unmapped("it has no name")
        if node.op_type in (LINEAR, TABLE):
            return self._linear(node)
        kind = _KINDS.get(node.op_type)
        if kind is None:
            raise Unmapped(f"unknown operator, expected one of {', '.join(sorted(OPERATORS))}")
        values = _attributes(node)
        own = [field.name for field in fields(kind) if field.name not in _BASE]
        arguments = {name: values[name] for name in own if name in values}
        inputs = list(node.input)
        if kind is TokenSelect:
            arguments["after"] = self._after(node)
            del inputs[3:]
        for suffix in reversed(kind.params):
            self._param(node, suffix, inputs.pop() if inputs else "")
        tensors = tuple(tensor_name(name) for name in inputs)
        return kind(node.name, _block(node), tensors, tensor_name(node.output[0]), **arguments)

    def join(self, node: onnx.NodeProto) -> None:
        """Remember what a node joins, for the layer that reads it."""
        self._joined[node.output[0]] = tuple(tensor_name(name) for name in node.input)

    def image(self, node: onnx.NodeProto) -> ImageSpec:
        """What a node makes patches of.

        Raises:
            Unmapped: it is damaged.
        """
        values = _attributes(node)
        shape = [dim.dim_value for dim in self._graph.input[0].type.tensor_type.shape.dim]
        if len(shape) != 4 or len(node.input) != 4:
            raise Unmapped("expected an image (N, C, H, W), mean, std and scale")
        _, channels, height, width = shape
        mean, std, scale = (self._array(name, "float64") for name in node.input[1:])
        patch, grid = values["patch"], values["grid"]
        if patch < 1 or grid != (height // patch, width // patch) or min(grid) < 1:
            raise Unmapped(f"patch={patch} grid={grid} do not fit an image of {height}x{width}")
        if mean.shape != (channels,) or std.shape != (channels,) or scale.shape != ():
            raise Unmapped(f"mean, std and scale do not fit {channels} channels")
        if not np.isfinite([*mean, *std, scale]).all() or (std <= 0).any() or scale <= 0:
            raise Unmapped("mean, std and scale must be finite, the last two positive")
        return ImageSpec(
            channels,
            height,
            width,
            patch,
            float(scale),
            tuple(map(float, mean)),
            tuple(map(float, std)),
        )

    def _linear(self, node: onnx.NodeProto) -> Linear:
        values, gelu = _attributes(node), node.op_type == TABLE
        suffixes = (*Linear.params[1:], "table")[: None if gelu else -1]
        if len(node.input) != 3 + len(suffixes):
            raise Unmapped(f"{len(node.input)} inputs, expected {3 + len(suffixes)}")
        x, index, payload, *others = node.input
        for suffix, name in zip(suffixes, others, strict=True):
            self._param(node, suffix, name)
        blocks, shape = self._array(payload, "int8"), values["shape"]
        if blocks.ndim != 3 or min(blocks.shape[1:]) < 1 or len(shape) != 2 or min(shape) < 1:
            raise Unmapped(f"{payload} {blocks.shape} are no blocks of a weight {shape}")
        try:
            weight = join_blocks(self._array(index, "int32"), blocks, (shape[0], shape[1]))
        except ValueError as error:
            raise Unmapped(f"{index}: expected {error}") from error
        self.params[f"{node.name}.weight"] = weight
        inputs = self._joined.get(x, (tensor_name(x),))
        output, block = tensor_name(node.output[0]), (blocks.shape[1], blocks.shape[2])
        return Linear(node.name, _block(node), inputs, output, gelu=gelu, block_shape=block)

    def _after(self, node: onnx.NodeProto) -> str:
        """The selection that a selection follows."""
        if len(node.input) != 4 or len(node.output) != 4:
            raise Unmapped("expected the tokens, keep, heads and package, and four outputs")
        self._packages[node.output[1]] = node.name
        package = node.input[3]
        if package not in self._packages and self._array(package, "bool").any():
            raise Unmapped(f"{package} is true without a selection before it")
        return self._packages.get(package, "")

    def _param(self, node: onnx.NodeProto, suffix: str, name: str) -> None:
        tensor = self._initializers.get(name)
        if tensor is None:
            raise Unmapped(f"its {suffix} {name!r} is no constant of the file")
        self.params[f"{node.name}.{suffix}"] = numpy_helper.to_array(tensor)

    def _array(self, name: str, dtype: str) -> NDArray[Any]:
        tensor = self._initializers.get(name)
        if tensor is None:
            raise Unmapped(f"{name!r} is no constant of the file")
        array = numpy_helper.to_array(tensor)
        if array.dtype != dtype:
            raise Unmapped(f"{name} is {array.dtype}, expected {dtype}")
        return array


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node of the domain, lists as tuples."""
    expected = attribute_kinds(node.op_type)
    found = {entry.name: entry for entry in node.attribute}
    if found.keys() != expected.keys():
        raise Unmapped(f"missing or unknown attribute {min(found.keys() ^ expected.keys())!r}")
    for name, entry in found.items():
        if entry.type != expected[name]:
            kind = onnx.AttributeProto.AttributeType.Name(expected[name])
            raise Unmapped(f"attribute {name!r}: expected {kind}")
    values = {name: helper.get_attribute_value(entry) for name, entry in found.items()}
    return {name: v if isinstance(v, int) else tuple(v) for name, v in values.items()}


def _block(node: onnx.NodeProto) -> int:
    """The encoder block of an operation."""
    text = {entry.key: entry.value for entry in node.metadata_props}.get("block", "-1")
    if not text.removeprefix("-").isdecimal():
        raise Unmapped(f"block={text!r}, expected a number")
    return int(text)
