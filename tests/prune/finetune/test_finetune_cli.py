"""`python -m prune finetune`, also in several processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from prune.cli import app
from tests.support import Call

QUICK = ("--batch-size", 16, "--steps", 2, "--precision", "no", "--workers", 0)


def test_result_is_measured_like_a_pruning_run(
    pruned_demo: Path, class_folder: Path, tmp_path: Path, call: Call
) -> None:
    out, figures = tmp_path / "out", tmp_path / "accuracy.json"
    (shutil.copytree(pruned_demo, tmp_path / "run") / "config.json").write_text("{}")
    run = ("finetune", tmp_path / "run", "--data", class_folder, "--out", out)
    assert call(app, *run, *QUICK) == (0, "")
    assert call(app, "accuracy", out, "--limit", 20, "--json", figures)[0] == 0
    assert json.loads(figures.read_text())["images"] == 20
    assert (out / "config.json").read_text() == "{}"


def test_images_are_read_by_workers(
    pruned_demo: Path, class_folder: Path, tmp_path: Path, call: Call
) -> None:
    results = []
    for workers in (0, 2):
        out = tmp_path / str(workers)
        run = ("finetune", pruned_demo, "--data", class_folder, "--out", out)
        assert call(app, *run, *QUICK, "--workers", workers)[0] == 0
        results.append((out / "pruned.safetensors").read_bytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_image_is_one_line(
    workers: int, pruned_demo: Path, class_folder: Path, tmp_path: Path, call: Call
) -> None:
    data = tmp_path / "data"
    shutil.copytree(class_folder, data)
    for path in data.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:60])
    run = ("finetune", pruned_demo, "--data", data, "--out", tmp_path / "out")
    status, message = call(app, *run, *QUICK, "--workers", workers)
    assert status == 2
    assert message.count("\n") == 1 and ".png" in message and "Traceback" not in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--batch-size", "1000"], "--batch-size 123"),
        (["--batch-size", "15", "--mixup", "0.2"], "even"),
        (["--recipe", "missing.json"], "missing.json"),
        (["--precision", "fp16"], "fp16"),
        (["--save-every", "0"], "save_every=0"),
        (["--teacher", "missing.safetensors"], "missing.safetensors"),
        (["--epochs", "some"], "'--epochs'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    args: list[str], named: str, pruned_demo: Path, class_folder: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "out"
    status, message = call(
        app, "finetune", pruned_demo, "--data", class_folder, "--out", out, *args
    )
    assert status == 2
    assert message.count("\n") == 1 and message.startswith("error: ") and named in message
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "processes"),
    [
        ("accelerate.commands.launch --cpu --num_processes 1 --num_machines 1", 1),
        ("torch.distributed.run --nproc_per_node 2", 2),
    ],
)
def test_launched_processes_share_the_work(
    launcher: str,
    processes: int,
    pruned_demo: Path,
    class_folder: Path,
    tmp_path: Path,
    call: Call,
) -> None:
    run = ("finetune", pruned_demo, "--data", class_folder, *QUICK, "--out")
    assert call(app, *run, tmp_path / "one")[0] == 0
    command = (sys.executable, "-m", *launcher.split(), "-m", "prune", *run, tmp_path / "many")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    subprocess.run([str(arg) for arg in command], check=True, env=environment, timeout=300)
    log = json.loads((tmp_path / "many" / "finetune.json").read_text())
    assert log["processes"] == processes
    one, many = (load_file(tmp_path / out / "pruned.safetensors") for out in ("one", "many"))
    for name, expected in one.items():
        np.testing.assert_allclose(many[name], expected, atol=1e-5, err_msg=name)
