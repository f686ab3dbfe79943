"""Integer ONNX in: the network that went out, or every node that is none of ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from hw.errors import UserError
from hw.ir import Network, load_network
from hw.onnx.export import export_integer
from hw.onnx.files import write_model
from hw.onnx.integer import load_integer
from hw.onnx.load import load_onnx
from tests.hw.onnx.networks import KINDS, SELECTING, network_of

DEMO = Path(__file__).parents[2] / "golden" / "demo"


def assert_same(found: Network, expected: Network) -> None:
    for name in ("model", "image", "ops", "tensors", "info"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.params.keys() == expected.params.keys()
    for name, array in expected.params.items():
        assert found.params[name].dtype == array.dtype
        np.testing.assert_array_equal(found.params[name], array, name)


@pytest.mark.parametrize("kind", [*KINDS, *SELECTING])
def test_file_gives_the_network_back(kind: str, tmp_path: Path) -> None:
    network = network_of(kind)
    write_model(export_integer(network), tmp_path / "x.onnx")
    assert_same(load_onnx(tmp_path / "x.onnx"), network)


def test_demo_comes_back(tmp_path: Path) -> None:
    network = load_network(DEMO)
    write_model(export_integer(network), tmp_path / "demo.onnx")
    assert_same(load_onnx(tmp_path / "demo.onnx"), network)


def edited(kind: str, *edits: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    """The file of a network, changed."""
    model = export_integer(network_of(kind))
    for edit in edits:
        edit(model)
    return model


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def attribute(name: str, key: str, value: object) -> Callable[[onnx.ModelProto], object]:
    def edit(model: onnx.ModelProto) -> None:
        entries = node(model, name).attribute
        (entry,) = (entry for entry in entries if entry.name == key)
        entries.remove(entry)
        if value is not None:
            entries.append(helper.make_attribute(key, value))

    return edit


def constant(name: str, value: np.ndarray | bytes) -> Callable[[onnx.ModelProto], object]:
    """Another array, or other bytes in the shape of the one that was there."""

    def edit(model: onnx.ModelProto) -> None:
        (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
        if isinstance(value, bytes):
            tensor.raw_data = value
        else:
            tensor.CopyFrom(numpy_helper.from_array(value, name))

    return edit


def metadata(name: str, key: str, text: str) -> Callable[[onnx.ModelProto], object]:
    def edit(model: onnx.ModelProto) -> None:
        (value,) = (value for value in model.graph.value_info if value.name == name)
        (entry,) = (entry for entry in value.metadata_props if entry.key == key)
        entry.value = text

    return edit


def operator(name: str, op_type: str, domain: str) -> Callable[[onnx.ModelProto], object]:
    def edit(model: onnx.ModelProto) -> None:
        node(model, name).op_type, node(model, name).domain = op_type, domain

    return edit


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (operator("fc1", "Conv", ""), "fc1: Conv -> fc1: not of the domain 'blockvit'"),
        (operator("fc1", "Conv", "blockvit"), "unknown operator, expected one of Add"),
        (attribute("scores", "heads", None), "missing or unknown attribute 'heads'"),
        (attribute("scores", "mult", 3), "attribute 'mult': expected INTS"),
        (attribute("scores", "mult", [1, 70000]), "mult: expected 0 to 65535"),
        (attribute("scores", "heads", 3), "mult and shift, expected 3"),
        (attribute("softmax", "probability_mult", 0), "probability_mult: expected 1 to 16777215"),
        (attribute("norm1", "epsilon", 0), "epsilon: expected 1 to"),
        (attribute("select", "index", 10), "index: expected 0 to 9"),
        (constant("norm1.gain", np.zeros(5, np.int16)), "gain is int16 (5,), expected int16 (16,)"),
        (constant("fc1.index", np.array([0, 0], np.int32)), "expected as many different block"),
        (constant("fc1.payload", np.zeros((1, 4, 4), np.int16)), "is int16, expected int8"),
        (constant("norm1.gain", b"damage"), "damaged (cannot reshape"),
        (attribute("fc1", "shape", [2**20, 2**20]), "expected a weight of at most"),
        (metadata("attend", "groups", "1"), "tensors of (2, 6, 1) groups, expected (2,"),
        (metadata("qkv", "scales", "[0.0]"), "1 scales, expected 1 or 6, positive"),
        (constant("image.std", np.array([0.0])), "do not fit"),
        (lambda model: node(model, "fc1").ClearField("name"), "(no name): blockvit.Block"),
        (lambda model: node(model, "fc1").input.pop(), "6 inputs, expected 7"),
        (lambda model: model.graph.value_info[1].ClearField("metadata_props"), "metadata ('shape"),
    ],
)
def test_node_that_cannot_be_mapped_is_listed(
    edit: Callable[[onnx.ModelProto], object], reason: str
) -> None:
    with pytest.raises(UserError, match=r"x\.onnx: 1 node cannot be mapped") as error:
        load_integer(edited("plain", edit), "x.onnx")
    assert reason in error.value.details[0]


def test_every_node_that_cannot_be_mapped_is_listed() -> None:
    edits = [operator(name, "Conv", "") for name in ("qkv", "fc1", "head")]
    with pytest.raises(UserError, match="3 nodes") as error:
        load_integer(edited("plain", *edits), "x.onnx")
    assert [line.partition(":")[0] for line in error.value.details] == ["qkv", "fc1", "head"]


def domain_version(model: onnx.ModelProto) -> None:
    (entry,) = (entry for entry in model.opset_import if entry.domain == "blockvit")
    entry.version = 2


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (domain_version, "version 2, format 1, expected 1 and 1"),
        (lambda model: helper.set_model_props(model, {"format": "1"}), "damaged metadata"),
        (lambda model: model.graph.node.pop(), "expected 'logits' of the last operation"),
        (lambda model: model.graph.node.pop(0), "no QuantizeImage"),
        (metadata("patches", "shape", "[9, 20]"), r"patches \(9, 20\) of 8 bits, expected"),
        (
            lambda model: model.graph.node.pop(1),
            "x.onnx: network: norm1 names an unknown tensor 'embed'",
        ),
    ],
)
def test_file_of_something_else_is_one_line(
    edit: Callable[[onnx.ModelProto], object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_integer(edited("plain", edit), "x.onnx")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_file_cut_short_is_one_line(share: float, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    data = export_integer(network_of("plain")).SerializeToString()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="cut short or not a valid ONNX model"):
        load_onnx(path)


@pytest.mark.parametrize("kind", ["plain", "two selectors"])
def test_changed_bytes_give_a_network_or_one_error(kind: str, tmp_path: Path) -> None:
    path, rng = tmp_path / "x.onnx", np.random.default_rng(0)
    data = np.frombuffer(export_integer(network_of(kind)).SerializeToString(), np.uint8)
    for _ in range(80):
        changed = data.copy()
        changed[rng.integers(0, len(data), 2)] = rng.choice([0, 1, 127, 128, 255], 2)
        path.write_bytes(changed.tobytes())
        with suppress(UserError):
            load_onnx(path).validate()


def test_weights_beside_the_file_are_read_and_others_are_not(tmp_path: Path) -> None:
    network, path = network_of("plain"), tmp_path / "x.onnx"
    stored = {"save_as_external_data": True, "location": "weights", "size_threshold": 0}
    onnx.save(export_integer(network), path, **stored)
    assert_same(load_onnx(path), network)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "x.onnx").write_bytes(path.read_bytes().replace(b"weights", b"../weig"))
    (tmp_path / "weights").rename(tmp_path / "weig")
    with pytest.raises(UserError, match="outside the directory"):
        load_onnx(tmp_path / "inner" / "x.onnx")


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file, expected an ONNX model"):
        load_onnx(tmp_path / "none.onnx")
