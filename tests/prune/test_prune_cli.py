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
HALF = ["--cycles", "0.5"]


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
    assert call("run", MODEL, "--out", str(folder), "--cycles", "0.75", *QUICK) == 0
    return folder


def test_run_meets_the_budget(out: Path) -> None:
    report = read(out / "pruned.json")
    assert report["predicted_cycles"] == pytest.approx(0.75 * report["dense_cycles"], rel=0.01)


def test_run_with_two_budgets_exceeds_neither(tmp_path: Path) -> None:
    budgets = ("--cycles", "0.8", "--energy", "0.55")
    assert call("run", MODEL, "--out", str(tmp_path), *budgets, *QUICK) == 0
    report = read(tmp_path / "pruned.json")
    assert report["budgets"] == {"cycles": 0.8, "energy": 0.55}
    for figure in ("cycles", "energy_uj"):
        assert report[f"predicted_{figure}"] <= 1.001 * report[f"target_{figure}"]
    assert report["predicted_energy_uj"] == pytest.approx(report["target_energy_uj"], rel=0.01)


def test_rows_hold_each_layers_costs_before_and_after(out: Path) -> None:
    report = read(out / "pruned.json")
    for row in report["layers"]:
        assert row["predicted_energy_uj"] <= row["dense_energy_uj"]
        if row["blocks_kept"] < row["blocks_total"]:
            assert row["predicted_energy_uj"] < row["dense_energy_uj"]
            assert row["predicted_cycles"] <= row["dense_cycles"]
    assert sum(row["dense_cycles"] for row in report["layers"]) < report["dense_cycles"]


def test_report_bounds_its_distance_from_optimal(out: Path) -> None:
    found = read(out / "pruned.json")["optimality"]
    assert found["bound"] <= found["objective"]
    assert 0 <= found["gap_percent"] < 10


def test_curves_are_those_that_the_report_quotes(out: Path) -> None:
    curves = load_file(out / "curves.safetensors")
    for row in read(out / "pruned.json")["layers"]:
        name, removed = row["name"], row["blocks_total"] - row["blocks_kept"]
        assert curves[f"{name}.distortion"][removed] == row["distortion"]
        assert sorted(curves[f"{name}.order"]) == list(range(row["blocks_total"]))
        for kind in ("objective", "cycles_saved", "energy_saved"):
            curve = curves[f"{name}.{kind}"]
            assert curve.dtype == np.float64 and len(curve) == row["blocks_total"] + 1


def test_power_objective_changes_the_objective_only(out: Path, tmp_path: Path) -> None:
    run = ("run", MODEL, "--out", str(tmp_path), "--cycles", "0.75", *QUICK)
    assert call(*run, "--objective", "lpvit-power-corrected") == 0
    plain, priced = (load_file(p / "curves.safetensors") for p in (out, tmp_path))
    for name, curve in plain.items():
        assert (priced[name] == curve).all() == (not name.endswith(".objective")), name


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
    assert call("run", MODEL, "--out", str(tmp_path), "--cycles", "0.75", *QUICK) == 0
    for name in ("pruned", "masks", "network", "curves"):
        name += ".safetensors"
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
    for name in ("pruned.json", "network.json"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_close_accepts_a_measurement_near_the_budget(tmp_path: Path) -> None:
    call("run", MODEL, "--out", str(tmp_path), "--cycles", "0.75", *QUICK)
    simulate(tmp_path, 1.0)
    assert call("close", str(tmp_path)) == 0
    assert len(read(tmp_path / "loop.json")["rounds"]) == 1


def test_close_prunes_again_until_the_measurement_fits(tmp_path: Path) -> None:
    call("run", MODEL, "--out", str(tmp_path), "--cycles", "0.75", *QUICK)
    simulate(tmp_path, 1.1)
    assert call("close", str(tmp_path)) == ANOTHER_ROUND
    simulate(tmp_path, 1.1)
    assert call("close", str(tmp_path)) == 0
    first, second = read(tmp_path / "loop.json")["rounds"]
    assert abs(second["deviation_percent"]) < 0.2 * first["deviation_percent"]


def test_close_keeps_to_the_budget_in_energy_too(tmp_path: Path) -> None:
    """Cycles bind; measured 10 % above the prediction, they must fall, and energy with them."""
    budgets = ("--cycles", "0.75", "--energy", "0.75")
    call("run", MODEL, "--out", str(tmp_path), *budgets, *QUICK)
    before = read(tmp_path / "pruned.json")
    simulate(tmp_path, 1.1)
    assert call("close", str(tmp_path)) == ANOTHER_ROUND
    after = read(tmp_path / "pruned.json")
    assert after["budgets"] == before["budgets"]
    for figure in ("cycles", "energy_uj"):
        assert after[f"predicted_{figure}"] < before[f"predicted_{figure}"]
        assert after[f"target_{figure}"] == before[f"target_{figure}"]
    simulate(tmp_path, 1.1)
    assert call("close", str(tmp_path)) == 0


def test_new_run_starts_a_new_log(tmp_path: Path) -> None:
    run = ("run", MODEL, "--out", str(tmp_path), "--cycles", "0.75", *QUICK)
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
        ([], "no budget"),
        (["--cycles", "0"], "budget cycles=0"),
        (["--energy", "1.5"], "budget energy=1.5"),
        (["--cycles", "0.5", "--energy", "nan"], "budget energy=nan"),
        (["--flops", "half"], "'--flops'"),
        ([*HALF, "--objective", "speed"], "objective 'speed'"),
        ([*HALF, "--method", "random"], "method 'random'"),
        ([*HALF, "--block", "24"], "block 24x24"),
        ([*HALF, "--block", "big"], "block 'big'"),
        ([*HALF, "--block", "16x16", "--rows", "32"], "block 16x16"),
        ([*HALF, "--rows", "12"], "rows=12"),
        ([*HALF, "--config", "missing.json"], "missing.json"),
        ([*HALF, "--ckpt", "missing.safetensors"], "missing.safetensors"),
        ([*HALF, "--images", "0"], "count=0"),
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


@pytest.mark.parametrize("unit", ["cycles", "energy", "flops"])
def test_unreachable_budget_says_what_can_be_reached(
    unit: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    budgets = {"cycles": "0.9", unit: "0.01"}
    options = [word for name, share in budgets.items() for word in (f"--{name}", share)]
    assert call("run", MODEL, "--out", str(out), *options, *QUICK) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert f"budget {unit}=0.01: " in line and "use at least" in line
    assert not out.exists()
