"""The folder that Vitis HLS users get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from hw.__main__ import app
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.hls.project import read_overrides, write_project
from hw.hls.registration import SOURCES
from sim.reference import logits
from tests.hw.onnx.networks import network_of
from tests.support import Call, small_network

ARRAY = ArrayConfig(rows=4, cols=4, clock_mhz=250.0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hls") / "project"
    write_project(small_network(prefix=1), ARRAY, folder)
    return folder


def source(project: Path, name: str = "blockvit.cpp") -> str:
    return (project / "firmware" / name).read_text()


def test_scripts_and_our_headers_lie_in_the_project(project: Path) -> None:
    assert {"build_prj.tcl", "build_opt.tcl", "project.tcl"} <= {p.name for p in project.iterdir()}
    for header in SOURCES.glob("*.h"):
        assert (project / "firmware" / "nnet_utils" / header.name).read_text() == header.read_text()


def test_the_clock_is_the_machines(project: Path) -> None:
    assert "set clock_period 4.0" in (project / "project.tcl").read_text()


def test_tensors_are_partitioned_as_layers_read_them(project: Path) -> None:
    assert "ARRAY_RESHAPE variable=patches cyclic factor=4" in source(project)
    assert "complete" not in source(project)


def test_tensors_enter_through_memory_ports_and_layers_follow_each_other(project: Path) -> None:
    assert "INTERFACE ap_memory port=patches" in source(project)
    assert "INLINE OFF" in source(project)


def test_streams_enter_as_axi_streams_into_a_dataflow(tmp_path: Path) -> None:
    write_project(small_network(prefix=1), ARRAY, tmp_path / "p", io_type="io_stream")
    assert "INTERFACE axis port=patches" in source(tmp_path / "p")
    assert "DATAFLOW" in source(tmp_path / "p")


def test_only_kept_blocks_are_written(tmp_path: Path) -> None:
    for name, density in (("half", 0.5), ("whole", 1.0)):
        write_project(small_network(prefix=1, density=density), ARRAY, tmp_path / name)
    half, whole = (
        (tmp_path / name / "firmware" / "weights" / "payload5.txt").read_text().count(",")
        for name in ("half", "whole")
    )
    assert half < 0.7 * whole


def test_an_earlier_project_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    for _ in range(2):
        write_project(small_network(), ARRAY, folder)
        (folder / "stale").touch()
    write_project(small_network(), ARRAY, folder)
    assert not (folder / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="not an HLS project"):
        write_project(small_network(), ARRAY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("mine")
    with pytest.raises(UserError, match="cannot be written"):
        write_project(small_network(), ARRAY, tmp_path / "p")
    assert (tmp_path / "p").read_text() == "mine"


def test_a_wrong_configuration_leaves_no_project(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        write_project(small_network(), ARRAY, tmp_path / "p", {"LayerName": {"nothing": {}}})
    assert list(tmp_path.iterdir()) == []


def test_the_description_can_be_read_as_changes(project: Path, tmp_path: Path) -> None:
    written = yaml.safe_load((project / "hls4ml_config.yml").read_text())
    found = read_overrides(project / "hls4ml_config.yml")
    assert found == written["HLSConfig"]
    assert written["OutputDir"] == "."
    write_project(small_network(prefix=1), ARRAY, tmp_path / "again", found)
    assert source(tmp_path / "again") == source(project)


@pytest.mark.parametrize("text", ["- 1", "LayerName: 3", "{", "\0"])
def test_a_damaged_file_of_changes_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yml").write_text(text)
    with pytest.raises(UserError, match=r"c\.yml"):
        read_overrides(tmp_path / "c.yml")


def test_the_command_writes_a_project(network_folder: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "c.yml").write_text("LayerName: {add1: {ReuseFactor: 1}}")
    status, error = call(
        *(app, "export", network_folder, "--hls", tmp_path / "out"),
        *("--hls-config", tmp_path / "c.yml", "--rows", 4, "--cols", 4),
    )
    assert (status, error) == (0, "")
    config = yaml.safe_load((tmp_path / "out" / "hls4ml_config.yml").read_text())
    assert config["HLSConfig"]["LayerName"]["add1"]["ReuseFactor"] == 1


def test_the_command_says_which_reuse_factor_it_took(
    network_folder: Path, tmp_path: Path, call: Call
) -> None:
    (tmp_path / "c.yml").write_text("LayerName: {qkv: {ReuseFactor: 1}}")
    status, error = call(
        *(app, "export", network_folder, "--hls", tmp_path / "out"),
        *("--hls-config", tmp_path / "c.yml"),
    )
    assert status == 0
    assert error.startswith("warning: ReuseFactor 1 of qkv")
    assert error.count("\n") == 1


def test_a_wrong_io_type_is_named(network_folder: Path, tmp_path: Path, call: Call) -> None:
    status, error = call(
        app, "export", network_folder, "--hls", tmp_path / "out", "--io-type", "io_serial"
    )
    assert status == 2
    assert "io_serial" in error


@pytest.mark.slow
def test_hls4mls_own_compile_and_predict_give_the_references_logits(tmp_path: Path) -> None:
    from hw.hls.graph import model_graph

    network = network_of("plain")
    spec = network.tensors[network.INPUT]
    patches = np.random.default_rng(0).integers(-128, 128, (2, spec.tokens, spec.features), np.int8)
    graph = model_graph(network, ARRAY, str(tmp_path / "p"))
    graph.compile()
    found = graph.predict(patches.astype(np.float64))
    np.testing.assert_array_equal(found, logits(network, patches))
