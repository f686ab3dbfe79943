"""Tensors of the IR as values of a graph: their shapes, and what the IR says beyond those."""

from __future__ import annotations

import json
from collections.abc import Iterator

import onnx
from onnx import helper

from hw.ir import Network, Scores, Softmax, TokenSelect
from hw.onnx.domain import OF_BITS
from hw.onnx.names import IMAGE, LOGITS, value_name
from hw.onnx.nodes import KEPT, PACKAGE, SCORES

BATCH = "N"
"""Name of the number of images, where it is free."""


def selects_tokens(network: Network) -> bool:
    """Whether images differ in their number of tokens, so that each runs alone."""
    return any(isinstance(op, TokenSelect) for op in network.ops)


def image_info(network: Network) -> onnx.ValueInfoProto:
    spec = network.image
    shape = (_batch(network), spec.channels, spec.height, spec.width)
    return helper.make_tensor_value_info(IMAGE, onnx.TensorProto.FLOAT, shape)


def logits_info(network: Network) -> onnx.ValueInfoProto:
    spec = network.tensors[network.output]
    return helper.make_tensor_value_info(
        LOGITS, OF_BITS[spec.bits], (_batch(network), spec.features)
    )


def tensor_infos(network: Network) -> Iterator[onnx.ValueInfoProto]:
    """Of every tensor of the IR in the order of their making, then of selections.

    Metadata hold the tensor's scales and groups, and its shape with all tokens. Where tokens were
    selected, their number has the name of that selection; features that count tokens have none.
    """
    batch, selected = _batch(network), network.selected_by()
    counting = {op.output for op in network.ops if isinstance(op, Scores | Softmax)}
    for name in [network.INPUT] + [op.output for op in network.ops]:
        spec, source = network.tensors[name], selected[name]
        tokens = f"tokens of {source}" if source else spec.tokens
        features = None if source and name in counting else spec.features
        info = helper.make_tensor_value_info(
            value_name(name), OF_BITS[spec.bits], (batch, tokens, features)
        )
        helper.set_metadata_props(
            info,
            {
                "shape": json.dumps([spec.tokens, spec.features]),
                "groups": str(spec.groups),
                "scales": json.dumps(spec.scales),
            },
        )
        yield info
    for op in network.ops:
        if isinstance(op, TokenSelect):
            source = selected[op.inputs[0]]
            tokens = f"tokens of {source}" if source else network.tensors[op.inputs[0]].tokens
            yield helper.make_tensor_value_info(op.name + PACKAGE, onnx.TensorProto.BOOL, (1,))
            for end, kind in ((SCORES, onnx.TensorProto.UINT8), (KEPT, onnx.TensorProto.BOOL)):
                yield helper.make_tensor_value_info(op.name + end, kind, (1, tokens))


def _batch(network: Network) -> int | str:
    return 1 if selects_tokens(network) else BATCH
