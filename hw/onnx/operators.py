"""Which functions there are, by the operation of the IR that each stands for."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnxscript import OnnxFunction

from hw.onnx.functions.attention import Attend, Scores, Softmax
from hw.onnx.functions.image import QuantizeImage
from hw.onnx.functions.linear import BlockSparseLinear, BlockSparseTable, JoinToken
from hw.onnx.functions.selection import TokenSelect
from hw.onnx.functions.stream import Add, Embed, LayerNorm, MeanTokens, SelectToken

OPERATORS: dict[str, OnnxFunction] = {
    function.name: function
    for function in (
        QuantizeImage,
        BlockSparseLinear,
        BlockSparseTable,
        JoinToken,
        Scores,
        Softmax,
        Attend,
        LayerNorm,
        Embed,
        Add,
        SelectToken,
        MeanTokens,
        TokenSelect,
    )
}
"""The operators that nodes of a network name."""


def attribute_kinds(name: str) -> dict[str, int]:
    """The attributes of an operator, and which of ONNX's types each has."""
    attributes = OPERATORS[name].function_ir.attrs
    return {str(attribute.name): int(attribute.type) for attribute in attributes}


def function_protos(functions: Iterable[OnnxFunction]) -> list[onnx.FunctionProto]:
    """These functions and what they call; a function behind the ones that it calls."""
    found: dict[str, OnnxFunction] = {}

    def visit(function: OnnxFunction) -> None:
        if function.name not in found:
            for called in function.function_ir.get_called_functions().values():
                visit(called)
            found[function.name] = function

    for function in functions:
        visit(function)
    return [_proto(function) for function in found.values()]


def _proto(function: OnnxFunction) -> onnx.FunctionProto:
    proto = function.to_function_proto()
    proto.doc_string = function.function.__doc__ or ""
    return proto
