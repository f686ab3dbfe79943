"""A QDQ graph, ours or another's, as a network of the IR."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from hw.errors import UserError
from hw.ir import Add, ImageSpec, LayerNorm, Network, Op, Scores, TokenSelect
from hw.onnx.problems import Problems
from hw.onnx.qdq.export import SCALES
from hw.onnx.qdq.network import NetworkBuilder
from hw.onnx.qdq.read import Reader
from hw.onnx.qdq.stream import widened
from hw.onnx.qdq.units import Units
from hw.onnx.qdq.values import Lost, Pixels, Tensor, View, is_whole
from hw.quantization import Floats

_BLOCK = (16, 16)
_MOST_PIXELS = 1 << 22


def load_qdq(model: onnx.ModelProto, source: str) -> Network:
    """The network of a checked QDQ graph.

    It may be rounded where the machine keeps 16 bits (the residual stream, scores, logits): there
    the network is more precise than the graph. The image's normalization is taken from the graph,
    or, where it has none, from the metadata `mean` and `std`.

    Args:
        source: the name of the file, for errors.

    Raises:
        UserError: nodes cannot be mapped, each of which the details name, or a scale is missing.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    image = _image(model.graph, metadata, source)
    problems = Problems(source)
    reader = Reader(model, image, _units(model.graph, metadata, source))
    reader.run(problems)
    problems.check()
    output = _output(reader, model.graph, source)
    builder = NetworkBuilder(Units(output, source), _block_shape(metadata), source)
    try:
        builder.add(output)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{source}: constants out of range, or too many layers ({error})"
        ) from error
    if builder.patches is None:
        raise UserError(f"{source}: its output does not depend on the image; export it again")
    origin = metadata.get("weights_source", metadata.get("weights"))
    info = {} if origin is None else {"weights_source": origin}
    network = Network(
        metadata.get("model", model.graph.name or "imported"),
        _image_spec(builder.patches.pixels, builder.patches.patch),
        _with_blocks(builder.ops),
        builder.tensors,
        builder.params,
        info,
    )
    network.validate()
    return network


def _image(graph: onnx.GraphProto, metadata: dict[str, str], source: str) -> View:
    initializers = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initializers]
    shape = [dim.dim_value for value in inputs for dim in value.type.tensor_type.shape.dim]
    if len(inputs) != 1 or len(shape) != 4 or min(shape[1:]) < 1:
        raise UserError(
            f"{source}: inputs {', '.join(value.name for value in inputs)}, expected one image "
            "(N, C, H, W) with fixed C, H and W"
        )
    _, channels, height, width = shape
    if math.prod(shape[1:]) > _MOST_PIXELS:
        raise UserError(f"{source}: an image of {height}x{width}, expected a smaller one")
    try:
        mean, std = (_by_channel(metadata.get(name), channels) for name in ("mean", "std"))
    except ValueError as error:
        raise UserError(f"{source}: metadata mean or std: {error}") from error
    pixels = Pixels(
        name=inputs[0].name,
        tokens=1,
        features=channels * height * width,
        shape=(channels, height, width),
        mean=np.zeros(channels) if mean is None else mean,
        std=np.ones(channels) if std is None else std,
    )
    return pixels.whole(1, channels, height, width)


def _by_channel(text: str | None, channels: int) -> Floats | None:
    if text is None:
        return None
    values = np.array([float(item) for item in text.split(",")])
    if len(values) != channels or not np.isfinite(values).all():
        raise ValueError(f"{text!r}, expected {channels} numbers")
    return values


def _units(graph: onnx.GraphProto, metadata: dict[str, str], source: str) -> dict[str, float]:
    """Scales of values of 16 bits, as annotations and our metadata state them."""
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, float] = {}
    for annotation in graph.quantization_annotation:
        names = {e.key: e.value for e in annotation.quant_parameter_tensor_names}
        tensor = arrays.get(names.get("SCALE_TENSOR", ""))
        if tensor is not None:
            found[annotation.tensor_name] = float(numpy_helper.to_array(tensor).ravel()[0])
    try:
        stated = json.loads(metadata.get(SCALES, "{}"))
        found |= {name: float(unit) for name, unit in stated.items()}
        if not all(0 < unit < math.inf for unit in found.values()):
            raise ValueError("a scale that is not positive")
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{source}: metadata {SCALES}: {error}; export it again") from error
    return found


def _block_shape(metadata: dict[str, str]) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", metadata.get("block_shapes", ""))
    shape = (int(match[1]), int(match[2])) if match else _BLOCK
    return shape if min(shape) > 0 else _BLOCK


def _output(reader: Reader, graph: onnx.GraphProto, source: str) -> Tensor:
    names = [value.name for value in graph.output]
    value = reader.values.get(names[0], Lost())
    if len(names) > 1 or not isinstance(value, View):
        raise UserError(f"{source}: outputs {', '.join(names)}, expected the logits alone")
    tensor = widened(value.tensor)
    if not is_whole(value) or tensor.tokens != 1 or (value.factor, value.shift) != (1.0, 0.0):
        raise UserError(
            f"{source}: {names[0]} of shape {value.index.shape} is a part of {tensor.name} "
            f"({tensor.tokens}, {tensor.features}), expected one row of logits"
        )
    return tensor


def _image_spec(pixels: Pixels, patch: int) -> ImageSpec:
    channels, height, width = pixels.shape
    mean, std = (tuple(_decimal(v) for v in values) for values in (pixels.mean, pixels.std))
    return ImageSpec(channels, height, width, patch, pixels.scale or 1.0, mean, std)


def _decimal(value: float) -> float:
    """The shortest decimal that float32 holds as it holds `value`: 0.485 rather than its rest."""
    return float(np.format_float_scientific(np.float32(value), unique=True))


def _with_blocks(ops: list[Op]) -> list[Op]:
    """The operations with the number of their encoder block: from what feeds its attention to the
    second addition behind it."""
    found: list[Op] = []
    block, additions = -1, 2
    start = 0
    for number, op in enumerate(ops):
        found.append(op)
        if isinstance(op, Scores):
            block, additions = block + 1, 0
            first = max(
                (i for i in range(start, number) if isinstance(ops[i], LayerNorm)), default=number
            )
            selected = [i for i in range(start, number) if isinstance(ops[i], TokenSelect)]
            first = start if selected else first
            found[first:] = [replace(one, block=block) for one in found[first:]]
        elif additions < 2:
            found[-1] = replace(op, block=block)
        if isinstance(op, Add) and additions < 2:
            additions += 1
            start = number + 1 if additions == 2 else start
    return found
