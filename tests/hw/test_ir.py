"""Writing a network and reading it back, and files that hold none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw.errors import UserError
from hw.ir import (
    Add,
    ImageSpec,
    LayerNorm,
    Linear,
    Network,
    SelectToken,
    TensorSpec,
    TokenSelect,
    load_network,
    save_network,
)


@pytest.fixture
def network() -> Network:
    """One linear layer with a table, then nothing."""
    rng = np.random.default_rng(0)
    op = Linear("fc", 0, (Network.INPUT,), "fc", gelu=True, block_shape=(4, 4))
    return Network(
        model="test",
        image=ImageSpec(1, 8, 8, 4, 0.01, (0.5,), (0.5,)),
        ops=[op],
        tensors={
            Network.INPUT: TensorSpec(4, 16, 8, (0.01,)),
            "fc": TensorSpec(4, 8, 8, (0.5, 0.25), 2),
        },
        params={
            "fc.weight": rng.integers(-127, 128, (8, 16)).astype(np.int8),
            "fc.bias": rng.integers(-999, 999, 8).astype(np.int32),
            "fc.mult": np.full(8, 40000, np.uint16),
            "fc.shift": np.full(8, 25, np.uint8),
            "fc.table": np.arange(-128, 128).astype(np.int8),
        },
        info={"weights_source": "test", "seed": 3},
    )


def test_network_reads_back_as_written(network: Network, tmp_path: Path) -> None:
    save_network(network, tmp_path)
    read = load_network(tmp_path)
    assert (read.model, read.image, read.info) == (network.model, network.image, network.info)
    assert (read.ops, read.tensors) == (network.ops, network.tensors)
    assert read.params.keys() == network.params.keys()
    for name, array in network.params.items():
        assert read.params[name].dtype == array.dtype
        np.testing.assert_array_equal(read.params[name], array)


@pytest.mark.parametrize("name", ["network.json", "network.safetensors"])
def test_truncated_file_is_refused_with_its_name(
    network: Network, tmp_path: Path, name: str
) -> None:
    save_network(network, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{name}: cut short"):
        load_network(tmp_path)


@pytest.mark.parametrize("name", ["network.json", "network.safetensors"])
def test_missing_file_is_refused_with_its_name(network: Network, tmp_path: Path, name: str) -> None:
    save_network(network, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        load_network(tmp_path)


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "network.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_other_format_version_is_refused(network: Network, tmp_path: Path) -> None:
    save_network(network, tmp_path)
    rewrite(tmp_path, format=999)
    with pytest.raises(UserError, match="format 999, expected 1"):
        load_network(tmp_path)


@pytest.mark.parametrize("change", [{"ops": [{"kind": "conv"}]}, {"image": {}}, {"tensors": None}])
def test_description_of_something_else_is_refused(
    network: Network, tmp_path: Path, change: dict[str, object]
) -> None:
    save_network(network, tmp_path)
    rewrite(tmp_path, **change)
    with pytest.raises(UserError, match="network"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "array"),
    [
        ("weight", np.zeros((16, 8), np.int8)),
        ("weight", np.zeros((8, 16), np.int16)),
        ("bias", np.zeros(9, np.int32)),
        ("mult", np.zeros(8, np.int32)),
        ("shift", np.zeros((8, 1), np.uint8)),
        ("table", np.zeros(255, np.int8)),
    ],
)
def test_parameter_of_wrong_shape_or_type_is_named(
    network: Network, suffix: str, array: np.ndarray
) -> None:
    network.params[f"fc.{suffix}"] = array
    with pytest.raises(UserError, match=rf"fc\.{suffix} is .*, expected"):
        network.validate()


def test_missing_parameter_is_named(network: Network) -> None:
    del network.params["fc.table"]
    with pytest.raises(UserError, match=r"'fc\.table' is missing"):
        network.validate()


def test_reading_a_tensor_before_it_is_written_is_refused(network: Network) -> None:
    network.ops.insert(0, LayerNorm("norm", 0, ("fc",), "norm"))
    network.tensors["norm"] = network.tensors["fc"]
    with pytest.raises(UserError, match="reads 'fc' before it is written"):
        network.validate()


def test_unknown_tensor_is_refused(network: Network) -> None:
    del network.tensors["fc"]
    with pytest.raises(UserError, match="unknown tensor 'fc'"):
        network.validate()


def test_invalid_network_is_not_written(network: Network, tmp_path: Path) -> None:
    del network.params["fc.bias"]
    with pytest.raises(UserError, match="missing"):
        save_network(network, tmp_path)
    assert not list(tmp_path.iterdir())


def test_second_input_of_several_tokens_is_refused(network: Network) -> None:
    op = network.ops[0]
    network.ops[0] = replace(op, inputs=(Network.INPUT, Network.INPUT))
    with pytest.raises(UserError, match="the second has one token"):
        network.validate()


def selecting(**tensors: TensorSpec) -> Network:
    """Two selections, one after another, on a tensor of 4 tokens."""
    wide = TensorSpec(4, 8, 16)
    votes = TensorSpec(4, 2, 16)
    names = {"x": wide, "keep": votes, "heads": votes, "a": wide, "keep2": votes, "heads2": votes}
    specs = {Network.INPUT: TensorSpec(4, 8), **names, "b": wide, **tensors}
    ops = [
        *(Add(name, 0, (Network.INPUT, Network.INPUT), name) for name in ("x", "keep", "heads")),
        TokenSelect("a", 0, ("x", "keep", "heads"), "a"),
        *(Add(name, 0, ("a", "a"), name) for name in ("keep2", "heads2")),
        TokenSelect("b", 0, ("a", "keep2", "heads2"), "b", after="a"),
        SelectToken("class", 0, ("b",), "class"),
    ]
    specs["class"] = TensorSpec(1, 8, 16)
    image = ImageSpec(1, 8, 8, 4, 0.01, (0.5,), (0.5,))
    return Network("test", image, list(ops), specs, {})


def test_live_count_of_a_tensor_is_that_of_the_selection_before_it() -> None:
    network = selecting()
    network.validate()
    found = network.selected_by()
    assert {name: found[name] for name in ("x", "a", "keep2", "b", "class")} == {
        "x": "",
        "a": "a",
        "keep2": "a",
        "b": "b",
        "class": "",
    }


def test_selection_reads_back_as_written(tmp_path: Path) -> None:
    network = selecting()
    save_network(network, tmp_path)
    assert load_network(tmp_path).ops == network.ops


@pytest.mark.parametrize(
    ("index", "changes", "message"),
    [
        (6, {"after": ""}, "comes after '', expected 'a'"),
        (3, {"after": "b"}, "comes after 'b', expected ''"),
        (3, {"threshold": 256}, "threshold=256"),
        (3, {"prefix": 4}, "prefix=4"),
        (3, {"inputs": ("x", "keep")}, "has 2 inputs"),
        (6, {"inputs": ("x", "keep2", "heads2")}, "mixes tokens before and after a selection"),
        (3, {"inputs": ("x", "keep", "x")}, "expected one shape"),
    ],
)
def test_selection_that_does_not_fit_is_refused(
    index: int, changes: dict[str, object], message: str
) -> None:
    network = selecting()
    network.ops[index] = replace(network.ops[index], **changes)
    with pytest.raises(UserError, match=message):
        network.validate()


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("keep", TensorSpec(4, 2), "keep has 8 bits"),
        ("a", TensorSpec(3, 8, 16), r"gives \(3, 8\), expected \(4, 8\)"),
    ],
)
def test_tensor_that_does_not_fit_a_selection_is_refused(
    name: str, spec: TensorSpec, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        selecting(**{name: spec}).validate()


def test_tokens_of_an_earlier_selection_are_refused() -> None:
    network = selecting()
    network.ops[-1] = Add("class", 0, ("a", "a"), "class")
    with pytest.raises(UserError, match="reads tokens that a selected, after b"):
        network.validate()
