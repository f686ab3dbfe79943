"""Integer ONNX as a network: the inverse of `hw.onnx.export`.

Operators of the domain have the meaning of `docs/onnx.md`; their bodies are for other readers.
"""

from __future__ import annotations

import json
import math

import onnx

from hw.errors import UserError
from hw.ir import ImageSpec, Network, Op, TensorSpec
from hw.onnx.consistency import check_network
from hw.onnx.domain import DOMAIN, OF_BITS, VERSION
from hw.onnx.export import FORMAT_VERSION
from hw.onnx.names import LOGITS, tensor_name, value_name
from hw.onnx.nodes import JOIN, QUANTIZE
from hw.onnx.problems import Problems, Unmapped
from hw.onnx.reader import NodeReader

_BITS = {dtype: bits for bits, dtype in OF_BITS.items()}


def load_integer(model: onnx.ModelProto, source: str) -> Network:
    """The network of a checked model in integer form; what `export_integer` took.

    Args:
        source: the name of the file, for errors.

    Raises:
        UserError: nodes cannot be mapped, or what they map to is no consistent network.
    """
    metadata = _metadata(model, source)
    graph = model.graph
    reader, problems = NodeReader(graph), Problems(source)
    values = {value.name: value for value in graph.value_info}
    image: ImageSpec | None = None
    tensors: dict[str, TensorSpec] = {}
    ops: list[Op] = []
    for node in graph.node:
        try:
            if node.op_type == "Squeeze" and list(node.output) == [LOGITS]:
                continue
            if node.domain != DOMAIN:
                raise Unmapped(f"not of the domain {DOMAIN!r}, which alone an integer file has")
            if node.op_type == JOIN:
                reader.join(node)
                continue
            if node.op_type == QUANTIZE:
                image = reader.image(node)
                if node.output[0] != Network.INPUT:
                    raise Unmapped(f"its result has another name than {Network.INPUT!r}")
            else:
                ops.append(reader.op(node))
            name = tensor_name(node.output[0])
            tensors[name] = _tensor(values.get(node.output[0]))
        except Unmapped as reason:
            problems.add(node, reason)
        except (TypeError, ValueError) as error:  # text that is none, data that do not fill a shape
            problems.add(node, f"damaged ({error})")
    problems.check()
    if image is None or not ops:
        raise UserError(f"{source}: no {QUANTIZE} or no operation behind it; export it again")
    network = Network(
        metadata["model"], image, ops, tensors, reader.params, json.loads(metadata["info"])
    )
    _check_ends(network, graph, source)
    try:
        network.validate()
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    patches, expected = tensors[Network.INPUT], (image.patches, image.channels * image.patch**2)
    if (patches.tokens, patches.features, patches.bits) != (*expected, 8):
        raise UserError(
            f"{source}: patches ({patches.tokens}, {patches.features}) of {patches.bits} bits, "
            f"expected {expected} of 8 bits; export it again"
        )
    check_network(network, source, DOMAIN)
    return network


def _metadata(model: onnx.ModelProto, source: str) -> dict[str, str]:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    found = {entry.key: entry.value for entry in model.metadata_props}
    if versions.get(DOMAIN) != VERSION or found.get("format") != str(FORMAT_VERSION):
        raise UserError(
            f"{source}: {DOMAIN!r} version {versions.get(DOMAIN)}, format {found.get('format')}, "
            f"expected {VERSION} and {FORMAT_VERSION}; export it again"
        )
    try:
        if not isinstance(json.loads(found["info"]), dict) or not found["model"]:
            raise ValueError("info is no object")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{source}: damaged metadata ({error}); export it again") from error
    return found


def _tensor(value: onnx.ValueInfoProto | None) -> TensorSpec:
    """Raises `Unmapped` when the value does not say what the IR needs."""
    try:
        if value is None:
            raise KeyError("type")
        found = {entry.key: entry.value for entry in value.metadata_props}
        bits = _BITS[value.type.tensor_type.elem_type]
        tokens, features = map(int, json.loads(found["shape"]))
        scales = tuple(map(float, json.loads(found["scales"])))
        groups = int(found["groups"])
    except (KeyError, ValueError, TypeError) as error:
        raise Unmapped(f"its result has no or damaged metadata ({error}); export again") from error
    if min(tokens, features, groups) < 1 or features % groups:
        raise Unmapped(f"its result is ({tokens}, {features}) in {groups} groups")
    if len(scales) not in (1, groups) or not all(0 < s < math.inf for s in scales):
        raise Unmapped(f"its result has {len(scales)} scales, expected 1 or {groups}, positive")
    return TensorSpec(tokens, features, bits, scales, groups)


def _check_ends(network: Network, graph: onnx.GraphProto, source: str) -> None:
    last = graph.node[-1]
    ends = (last.op_type, list(last.input)[:1], [output.name for output in graph.output])
    if ends != ("Squeeze", [value_name(network.output)], [LOGITS]):
        raise UserError(
            f"{source}: expected {LOGITS!r} of the last operation as its only output; export again"
        )
