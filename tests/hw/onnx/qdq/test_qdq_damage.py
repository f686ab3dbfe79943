"""QDQ graphs that are no networks: every node that is in the way, and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from hw.errors import UserError
from hw.onnx.qdq.export import SCALES, export_qdq
from hw.onnx.qdq.load import load_qdq
from tests.hw.onnx.networks import network_of

Edit = Callable[[onnx.ModelProto], None]


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def kind(name: str, operator: str) -> Edit:
    """The node becomes another operator."""

    def edit(model: onnx.ModelProto) -> None:
        node(model, name).op_type = operator

    return edit


def constant(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """The initializer gets other values."""

    def edit(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name == name)
        array = change(numpy_helper.to_array(tensor).copy())
        tensor.CopyFrom(numpy_helper.from_array(array, name))

    return edit


def unrounded(name: str) -> Edit:
    """The value is read before its Q and DQ."""

    def edit(model: onnx.ModelProto) -> None:
        for reader in model.graph.node:
            reader.input[:] = [f"{name}/real" if i == name else i for i in reader.input]

    return edit


def without_scales(model: onnx.ModelProto) -> None:
    entry = next(entry for entry in model.metadata_props if entry.key == SCALES)
    entry.value = "{}"


def refusal(*edits: Edit, network: str = "plain") -> UserError:
    model = export_qdq(network_of(network))
    for edit in edits:
        edit(model)
    with pytest.raises(UserError) as raised:
        load_qdq(model, "x.onnx")
    return raised.value


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (kind("fc2", "Mod"), "fc2: Mod -> fc2: the machine has no such operation"),
        (kind("softmax/real", "LogSoftmax"), "no such operation"),
        (unrounded("norm1"), "it reads norm1/real, which is not rounded to int8"),
        (unrounded("softmax"), "attention whose probabilities are not rounded to int8"),
        (constant("zero_point", lambda zero: zero + 3), "zero point 3, expected symmetric int8"),
        (constant("fc2.weight/scale", lambda scale: -scale), "a scale that is not positive"),
        (constant("int64_0_0_16", lambda shape: shape + 1), "cannot be evaluated"),
    ],
)
def test_node_in_the_way_is_named_with_the_reason(edit: Edit, said: str) -> None:
    assert any(said in line for line in refusal(edit).details)


def test_all_nodes_in_the_way_are_named_but_not_those_behind_them() -> None:
    lines = refusal(kind("qkv/q", "Celu"), kind("qkv/v", "Celu"), kind("fc2", "Mod")).details
    assert [line.partition(":")[0] for line in lines] == ["qkv/q", "qkv/v"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (without_scales, "16 bits in the machine, and nothing says what they are worth"),
        (constant("fc2.bias", lambda bias: bias * np.nan), "constants that are not finite"),
    ],
)
def test_what_is_missing_is_said(edit: Edit, said: str) -> None:
    assert said in str(refusal(edit))


def test_changed_selection_is_refused() -> None:
    name = "selectors.0.select/reached"
    assert refusal(kind(name, "Greater"), network="two selectors").details


def test_large_constant_is_refused_before_it_is_made() -> None:
    def edit(model: onnx.ModelProto) -> None:
        shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "large/shape")
        model.graph.initializer.append(shape)
        first = helper.make_node("ConstantOfShape", ["large/shape"], ["large"], "large")
        model.graph.node.insert(0, first)

    assert "more than" in refusal(edit).details[0]


def test_several_inputs_are_refused() -> None:
    def edit(model: onnx.ModelProto) -> None:
        extra = helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1])
        model.graph.input.append(extra)

    assert "expected one image" in str(refusal(edit))
