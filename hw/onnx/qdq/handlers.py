"""One function an operator of ONNX: what its result stands for, given what its inputs do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.onnx.qdq import arithmetic, attention, curves, products, rounding, stream
from hw.onnx.qdq.values import MOST_ELEMENTS, ZERO, Constant, Curve, Levels, Value, View, Weight
from hw.quantization import Floats

Attributes = dict[str, Any]
Handler = Callable[[onnx.NodeProto, list[Value], Attributes], Value]


def array(value: Value) -> NDArray[Any]:
    """Raises `Unmapped` when a value is not constant."""
    if isinstance(value, Constant):
        return value.array
    raise Unmapped("an input that depends on the image, expected a constant")


def real(value: Value) -> NDArray[Any]:
    """The same, of a dequantized constant too."""
    return value.levels * value.scales if isinstance(value, Weight) else array(value)


def _floats(value: Value) -> Floats:
    return real(value).astype(np.float64)


def _view(value: Value) -> View:
    if isinstance(value, View):
        return value
    if isinstance(value, Curve):
        raise Unmapped("it reads an activation function's result that is not rounded to int8")
    raise Unmapped("it reads a constant or levels, expected an activation")


def _weight(value: Value) -> Weight:
    if isinstance(value, Weight):
        return value
    raise Unmapped("a weight that is not int8 behind DequantizeLinear; quantize weights to int8")


def turned(weight: Weight, attributes: Attributes) -> Weight:
    """A weight transposed, or the weight itself for an `Identity`."""
    perm = attributes.get("perm")
    if perm is None:
        return weight
    return Weight(weight.levels.transpose(perm), weight.scales.transpose(perm))


def passed(node: onnx.NodeProto, value: Value, attributes: Attributes) -> Value:
    """A node that changes nothing while the network runs."""
    whole = attributes.get("to", onnx.TensorProto.FLOAT) not in (
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.DOUBLE,
    )
    if whole and node.op_type == "Cast":
        if isinstance(value, View | Curve):
            return arithmetic.unary(np.trunc, value)
        raise Unmapped("levels as whole numbers; look tables up behind DequantizeLinear")
    return value


def dequantized(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    """`DequantizeLinear`."""
    first, scale = inputs[0], array(inputs[1])
    if isinstance(first, Constant):
        zero = array(inputs[2]) if len(inputs) > 2 else None
        return rounding.constant_levels(first.array, scale, zero, attributes.get("axis", 1))
    if not isinstance(first, Levels):
        raise Unmapped("a value without levels is dequantized")
    return rounding.dequantized(first, scale, node.output[0])


def _quantize(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    value = inputs[0]
    if not isinstance(value, View | Curve):
        raise Unmapped("it rounds a constant and others")
    zero = array(inputs[2]) if len(inputs) > 2 else np.zeros(1, np.uint8)
    return rounding.quantized(value, array(inputs[1]), zero)


def _matmul(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    a, b = inputs
    if isinstance(a, View) and isinstance(b, View):
        return attention.product(a, b, node.output[0])
    return products.linear(_view(a), _weight(b), None, node.output[0])


def _gemm(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    if attributes.get("transA") or {attributes.get(n, 1.0) for n in ("alpha", "beta")} != {1.0}:
        raise Unmapped("alpha, beta or transA, expected a plain product")
    weight = _weight(inputs[1])
    if attributes.get("transB"):
        weight = Weight(weight.levels.T, weight.scales.T)
    bias = _floats(inputs[2]) if len(inputs) > 2 else None
    return products.linear(_view(inputs[0]), weight, bias, node.output[0])


def _conv(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    weight = _weight(inputs[1])
    sizes = list(weight.levels.shape[2:])
    plain = (
        len(sizes) == 2
        and attributes.get("strides", [1, 1]) == sizes
        and not any(attributes.get("pads", []))
        and set(attributes.get("dilations", [1])) == {1}
        and attributes.get("group", 1) == 1
        and attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    )
    if not plain:
        raise Unmapped("a convolution whose windows overlap, expected the patch embedding")
    bias = _floats(inputs[2]) if len(inputs) > 2 else None
    return products.convolution(_view(inputs[0]), weight, bias, node.output[0])


def _softmax(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    return attention.softmax(_view(inputs[0]), attributes.get("axis", -1), node.output[0])


def _layernorm(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    view = _view(inputs[0])
    if attributes.get("axis", -1) not in (-1, view.index.ndim - 1):
        raise Unmapped("a normalization over more than the features")
    gain = _floats(inputs[1])
    offset = _floats(inputs[2]) if len(inputs) > 2 else np.zeros_like(gain)
    epsilon = attributes.get("epsilon", 1e-5)
    return stream.normalized(view, gain, offset, epsilon, node.output[0])


def _concat(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    *first, last = inputs
    view = _view(last)
    axis = attributes["axis"] % view.index.ndim
    if axis != view.index.ndim - 2 or not all(isinstance(v, Constant | Weight) for v in first):
        raise Unmapped("a concatenation that is not constant tokens before those of the image")
    tokens = np.concatenate([_floats(value) for value in first], axis=axis)
    shape = list(view.index.shape)
    shape[axis] += tokens.shape[axis]
    return stream.prepend(tokens.reshape(-1, tokens.shape[-1]), view, tuple(shape), node.output[0])


def _pad(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    view, pads = _view(inputs[0]), array(inputs[1]).astype(np.int64)
    fill = _floats(inputs[2]) if len(inputs) > 2 else np.zeros(1)
    if attributes.get("mode", b"constant") != b"constant" or fill.any() or len(inputs) > 3:
        raise Unmapped("a padding with something else than zeros")
    pads = pads.reshape(2, -1).T
    if pads.shape[0] != view.index.ndim or (pads < 0).any() or pads.sum() > MOST_ELEMENTS:
        raise Unmapped("a padding that does not fit its input")
    if (view.factor, view.shift) != (1.0, 0.0):
        raise Unmapped("a padding behind a factor or constant")
    return View(view.tensor, np.pad(view.index, pads, constant_values=ZERO))


def _mean(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    view = _view(inputs[0])
    axes = array(inputs[1]).ravel().tolist() if len(inputs) > 1 else attributes.get("axes", [])
    ndim = view.index.ndim
    if [axis % ndim for axis in axes] != [ndim - 2]:
        raise Unmapped("a mean that is not over the tokens")
    shape = list(view.index.shape)
    shape[-2:-1] = [1] if attributes.get("keepdims", 1) else []
    return stream.averaged(view, tuple(shape), node.output[0])


def _binary(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    if len(inputs) != 2:
        raise Unmapped("one or more than two inputs")
    return arithmetic.binary(node, *inputs)


def _unary(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    return arithmetic.unary(arithmetic.UNARY[node.op_type], inputs[0])


def _gelu(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    tanh = attributes.get("approximate", b"none") == b"tanh"
    return arithmetic.unary(curves.gelu_tanh if tanh else curves.gelu, inputs[0])


def _clip(node: onnx.NodeProto, inputs: list[Value], attributes: Attributes) -> Value:
    if len(inputs) != 3:
        raise Unmapped("one limit, expected two")
    low, high = (float(array(value).ravel()[0]) for value in inputs[1:])
    return arithmetic.unary(lambda x: np.clip(x, low, high), inputs[0])


HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": _quantize,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "Softmax": _softmax,
    "LayerNormalization": _layernorm,
    "Concat": _concat,
    "Pad": _pad,
    "ReduceMean": _mean,
    "Gelu": _gelu,
    "Clip": _clip,
    **dict.fromkeys(arithmetic.BINARY, _binary),
    **dict.fromkeys(arithmetic.UNARY, _unary),
}
