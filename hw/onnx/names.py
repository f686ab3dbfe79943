"""Names in a file of either form."""

from __future__ import annotations

from collections import Counter

import onnx

from hw.errors import UserError

IMAGE = "image"
LOGITS = "logits"
_OURS = (IMAGE, LOGITS)
_PREFIX = "tensor."


def value_name(tensor: str) -> str:
    """A tensor's name in the file: its own, unless input or output of the file have that."""
    return _PREFIX + tensor if tensor in _OURS else tensor


def tensor_name(value: str) -> str:
    """The inverse of `value_name`."""
    bare = value.removeprefix(_PREFIX)
    return bare if bare in _OURS else value


def check_names(graph: onnx.GraphProto) -> None:
    """That no value of a graph is written twice.

    Raises:
        UserError: one is.
    """
    values = [value.name for value in graph.input]
    values += [tensor.name for tensor in graph.initializer]
    values += [output for node in graph.node for output in node.output]
    name, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise UserError(
            f"network: {name!r} would name {count} values of an ONNX file; rename the operation, "
            "tensor or parameter with that name"
        )
