"""`python -m prune`: artifacts, rounds and refusals, on a tiny ViT with random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from hw.cli import run_app
from hw.ir import load_network
from prune.cli import app
from prune.cli.close import ANOTHER_ROUND

MODEL = "deit_t:img_size=32,patch_size=8,depth=1,embed_dim=48,num_heads=3,num_classes=10"
QUICK = ["--images", "4"]


def call(*args: str) -> int:
    """Exit status of one command."""
    with pytest.raises(SystemExit) as stop:
        run_app(app, list(args))
    return int(stop.value.code or 0)


def simulate(out: Path, factor: float) -> None:
    """Write what a simulation would that finds `factor` times the predicted cycles."""
    report = read(out / "pruned.json")
    cycles = {"total_cycles": round(report["predicted_cycles"] * factor), "by_op": {}}
    (out / "cycles.json").write_text(json.dumps(cycles | {"config": report["config"]}))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a run."""
    folder = tmp_path_factory.mktemp("run")
    assert call("run", MODEL, "--out", str(folder), "--budget", "0.75", *QUICK) == 0
    return folder


def test_run_meets_the_budget(out: Path) -> None:
    report = read(out / "pruned.json")
    assert report["predicted_cycles"] == pytest.approx(0.75 * report["dense_cycles"], rel=0.01)


def test_random_weights_leave_a_warning_in_every_report(out: Path) -> None:
    assert "random" in read(out / "pruned.json")["warning"]
    assert "random" in load_network(out).info["warning"]


def test_removed_blocks_are_zero_in_the_float_weights_and_in_the_network(out: Path) -> None:
    weights, masks = load_file(out / "pruned.safetensors"), load_file(out / "masks.safetensors")
    network = load_network(out)
    assert masks.keys() == {op.name for op in network.linears()}
    for name, keep in masks.items():
        dead = ~np.kron(keep, np.ones((16, 16), bool))
        for array in (weights[f"{name}.weight"], network.params[f"{name}.weight"]):
            matrix = array.reshape(len(array), -1)
            assert not matrix[dead[: matrix.shape[0], : matrix.shape[1]]].any()


def test_report_counts_the_kept_blocks_of_the_masks(out: Path) -> None:
    masks = load_file(out / "masks.safetensors")
    for row in read(out / "pruned.json")["layers"]:
        assert row["blocks_kept"] == masks[row["name"]].sum()


def test_same_seed_gives_the_same_artifacts(out: Path, tmp_path: Path) -> None:
    assert call("run", MODEL, "--out", str(tmp_path), "--budget", "0.75", *QUICK) == 0
    for name in ("pruned.safetensors", "masks.safetensors", "network.safetensors", "pruned.json"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_close_accepts_a_measurement_near_the_budget(tmp_path: Path) -> None:
    call("run", MODEL, "--out", str(tmp_path), "--budget", "0.75", *QUICK)
    simulate(tmp_path, 1.0)
    assert call("close", str(tmp_path)) == 0
    assert len(read(tmp_path / "loop.json")["rounds"]) == 1


def test_close_prunes_again_until_the_measurement_fits(tmp_path: Path) -> None:
    call("run", MODEL, "--out", str(tmp_path), "--budget", "0.75", *QUICK)
    simulate(tmp_path, 1.1)
    assert call("close", str(tmp_path)) == ANOTHER_ROUND
    simulate(tmp_path, 1.1)
    assert call("close", str(tmp_path)) == 0
    first, second = read(tmp_path / "loop.json")["rounds"]
    assert abs(second["deviation_percent"]) < 0.2 * first["deviation_percent"]


def test_new_run_starts_a_new_log(tmp_path: Path) -> None:
    run = ("run", MODEL, "--out", str(tmp_path), "--budget", "0.75", *QUICK)
    call(*run)
    simulate(tmp_path, 1.0)
    call("close", str(tmp_path))
    call(*run)
    assert not (tmp_path / "loop.json").exists()


def test_units_are_compared_at_one_budget(tmp_path: Path) -> None:
    path = tmp_path / "units.json"
    assert call("compare-units", MODEL, "--budget", "0.75", "--json", str(path), *QUICK) == 0
    totals = read(path)["totals"]
    for unit in ("cycles", "flops"):
        assert totals[unit][unit] == pytest.approx(0.75 * totals[unit]["dense"], rel=0.02)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--budget", "0"], "budget 0"),
        (["--budget", "1.5"], "budget 1.5"),
        (["--budget", "nan"], "budget nan"),
        (["--budget", "half"], "'--budget'"),
        (["--budget-unit", "joules"], "joules"),
        (["--method", "random"], "method 'random'"),
        (["--block", "24"], "block 24x24"),
        (["--block", "big"], "block 'big'"),
        (["--block", "16x16", "--rows", "32"], "block 16x16"),
        (["--rows", "12"], "rows=12"),
        (["--config", "missing.json"], "missing.json"),
        (["--ckpt", "missing.safetensors"], "missing.safetensors"),
        (["--images", "0"], "count=0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    args: list[str], named: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("run", MODEL, "--out", str(out), *args) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ") and named in line
    assert not out.exists()


def test_unreachable_budget_says_what_can_be_reached(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("run", MODEL, "--out", str(out), "--budget", "0.01", *QUICK) == 2
    assert "use at least" in capfd.readouterr().err.splitlines()[-1]
    assert not out.exists()
