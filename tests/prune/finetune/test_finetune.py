"""A finetuning from a pruning run's folder to another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network, load_network
from hw.program.compiler import compile_network
from prune import loop
from prune.finetune import Running, finetune
from prune.finetune import run as module
from prune.models import LoadedModel
from prune.pipeline import run as prune
from prune.report import figures
from prune.run_folder import write
from prune.settings import Settings, Source
from tests.prune.finetune.conftest import QUICK

WEIGHTS = "pruned.safetensors"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def interrupt_after(monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Stop the next finetuning by a keyboard interrupt after so many states are written."""
    written = 0
    save = module.checkpoint.save

    def stopping(*args: Any) -> None:
        nonlocal written
        save(*args)
        written += 1
        if written == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.checkpoint, "save", stopping)


def test_removed_blocks_are_zero_in_the_weights_and_in_the_network(finetuned: Path) -> None:
    weights, network = load_file(finetuned / WEIGHTS), load_network(finetuned)
    for name, keep in load_file(finetuned / "masks.safetensors").items():
        dead = ~np.kron(keep, np.ones((16, 16), bool))
        for array in (weights[f"{name}.weight"], network.params[f"{name}.weight"]):
            matrix = array.reshape(len(array), -1)
            assert not matrix[dead[: matrix.shape[0], : matrix.shape[1]]].any()


def test_masks_are_those_of_the_pruning_run(finetuned: Path, pruned_demo: Path) -> None:
    before, after = (load_file(path / "masks.safetensors") for path in (pruned_demo, finetuned))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_weights_are_trained(finetuned: Path, pruned_demo: Path) -> None:
    before, after = (load_file(path / WEIGHTS) for path in (pruned_demo, finetuned))
    assert all(not np.array_equal(before[name], after[name]) for name in before)


def test_finetuning_teaches_the_training_images(finetuned: Path) -> None:
    log = read(finetuned / "finetune.json")
    assert log["epochs"][-1]["held_out_top1"] > log["held_out_before"]["student"] + 0.1


def test_report_says_what_was_done(finetuned: Path) -> None:
    report = read(finetuned / "pruned.json")
    wanted = "bundled demo, finetuned 2 epochs on fashion"
    assert report["weights_source"] == load_network(finetuned).info["weights_source"] == wanted
    assert report["finetune"] == read(finetuned / "finetune.json")
    assert report["finetune"]["train_images"] == 96
    assert [entry["step"] for entry in report["finetune"]["epochs"]] == [6, 12]


def test_predicted_cycles_are_those_of_the_network(finetuned: Path) -> None:
    report = read(finetuned / "pruned.json")
    found = figures(load_network(finetuned), ArrayConfig())
    assert report["predicted_cycles"] == found.total["cycles"]
    assert report["predicted_energy_uj"] == found.total["energy"]
    for row in report["layers"]:
        assert row["predicted_cycles"] == found.by_op["cycles"][row["name"]]


def test_network_compiles(finetuned: Path) -> None:
    assert compile_network(load_network(finetuned), ArrayConfig())


def test_attention_is_put_back_before_quantizing(
    pruned_demo: Path,
    class_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    quantize = module.quantize

    def watched(loaded: LoadedModel, *args: Any) -> Network:
        seen.extend(m.fused_attn for m in loaded.model.modules() if hasattr(m, "fused_attn"))
        return quantize(loaded, *args)

    monkeypatch.setattr(module, "quantize", watched)
    finetune(pruned_demo, class_folder, tmp_path, replace(QUICK, steps=1), Running(workers=0))
    assert seen and all(seen)


def test_no_state_is_left_behind(finetuned: Path) -> None:
    assert not (finetuned / "state.pt").exists()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"qat": True, "mixup": 0.0}, id="qat"),
        pytest.param({"ema": 0.9}, id="ema", marks=pytest.mark.slow),
        pytest.param({"optimizer": "sgd", "distill": "none"}, id="sgd", marks=pytest.mark.slow),
    ],
)
def test_resumed_run_equals_an_uninterrupted_one(
    changes: dict[str, Any],
    pruned_demo: Path,
    class_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = replace(QUICK, epochs=1.5, **changes)
    running = Running(workers=0, save_every=4)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finetune(pruned_demo, class_folder, whole, recipe, running)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 1)  # in the middle of an epoch
        finetune(pruned_demo, class_folder, parts, recipe, running)
    finetune(pruned_demo, class_folder, parts, recipe, replace(running, resume=True))
    for file in (WEIGHTS, "network.safetensors"):
        expected, found = load_file(whole / file), load_file(parts / file)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    logs = [read(folder / "finetune.json")["epochs"] for folder in (whole, parts)]
    for entry in (*logs[0], *logs[1]):
        entry.pop("images_per_second")
    assert logs[0] == logs[1]


@pytest.fixture
def interrupted(
    pruned_demo: Path, class_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with the state of a run with `QUICK`."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 1)
        finetune(pruned_demo, class_folder, tmp_path / "out", QUICK, Running(workers=0))
    return tmp_path / "out"


def test_resume_with_other_settings_is_refused(
    interrupted: Path, pruned_demo: Path, class_folder: Path
) -> None:
    with pytest.raises(UserError, match=r"interrupted with lr=0\.0003, resumed with lr=0\.1"):
        finetune(pruned_demo, class_folder, interrupted, replace(QUICK, lr=0.1), Running(True))


def test_interrupted_run_is_not_overwritten(
    interrupted: Path, pruned_demo: Path, class_folder: Path
) -> None:
    with pytest.raises(UserError, match=r"state\.pt.*--resume"):
        finetune(pruned_demo, class_folder, interrupted, QUICK, Running())


@pytest.mark.parametrize("content", [b"", b"not a state", None], ids=["empty", "text", "cut"])
def test_damaged_state_is_refused(
    content: bytes | None, interrupted: Path, pruned_demo: Path, class_folder: Path
) -> None:
    path = interrupted / "state.pt"
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(UserError, match=r"state\.pt.*delete it"):
        finetune(pruned_demo, class_folder, interrupted, QUICK, Running(True))


def test_nothing_to_resume_is_refused(
    pruned_demo: Path, class_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no state to resume"):
        finetune(pruned_demo, class_folder, tmp_path / "out", QUICK, Running(True))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "file", ["pruned.json", WEIGHTS, "masks.safetensors", "curves.safetensors"]
)
def test_incomplete_run_folder_is_refused(
    file: str, pruned_demo: Path, class_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pruned_demo, folder)
    (folder / file).unlink()
    with pytest.raises(UserError, match=file):
        finetune(folder, class_folder, tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_output_over_the_pruning_run_is_refused(pruned_demo: Path, class_folder: Path) -> None:
    with pytest.raises(UserError, match="choose another --out"):
        finetune(pruned_demo, class_folder, pruned_demo, QUICK)


def test_teacher_with_other_weights_is_refused(
    pruned_demo: Path, class_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pruned_demo, folder)
    report = read(folder / "pruned.json")
    (folder / "pruned.json").write_text(json.dumps(report | {"weights_source": "checkpoint a"}))
    with pytest.raises(UserError, match=r"'checkpoint a', found 'bundled demo'.*--teacher"):
        finetune(folder, class_folder, tmp_path / "out", QUICK)


def test_diverging_run_is_stopped(pruned_demo: Path, class_folder: Path, tmp_path: Path) -> None:
    recipe = replace(QUICK, lr=1e30, optimizer="sgd", gradient_clip=1e30)
    with pytest.raises(UserError, match=r"the loss is no number.*--lr"):
        finetune(pruned_demo, class_folder, tmp_path, recipe, Running(workers=0))
    assert not (tmp_path / "state.pt").exists()


def test_result_can_be_finetuned_again(finetuned: Path, class_folder: Path, tmp_path: Path) -> None:
    recipe = replace(QUICK, steps=1)
    report = finetune(finetuned, class_folder, tmp_path / "out", recipe, Running(workers=0))
    assert report["weights_source"].endswith("on fashion, finetuned 0.167 epochs on fashion")


@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_precision_is_chosen_and_reported(
    precision: str, pruned_demo: Path, class_folder: Path, tmp_path: Path
) -> None:
    recipe = replace(QUICK, steps=2, precision=precision)
    report = finetune(pruned_demo, class_folder, tmp_path, recipe, Running(workers=0))
    used = report["finetune"]["recipe"]["precision"]
    assert used == precision or (precision == "auto" and used in ("bf16", "no"))
    assert np.isfinite(report["finetune"]["epochs"][0]["loss"])


SWIN = (
    "swinv2_tiny_window8_256:img_size=32,window_size=4,embed_dim=32,depths=1x1,num_heads=2x4,"
    "num_classes=10,in_chans=1"
)


@pytest.fixture(scope="module")
def pruned_swin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pruning run on a model that cannot be compiled."""
    folder = tmp_path_factory.mktemp("swin")
    source = Source(SWIN, images=4)
    write(prune(Settings(source, {"flops": 0.6}, "magnitude", (16, 16), ArrayConfig())), folder)
    return folder


def test_model_without_integer_form_is_finetuned_and_exported(
    pruned_swin: Path, class_folder: Path, tmp_path: Path
) -> None:
    recipe = replace(QUICK, steps=2)
    report = finetune(pruned_swin, class_folder, tmp_path, recipe, Running(workers=0))
    assert (tmp_path / "model.onnx").exists() and not (tmp_path / "network.json").exists()
    assert report["weights_source"].startswith("random (seed 0), finetuned")


def test_quantization_aware_training_needs_an_integer_form(
    pruned_swin: Path, class_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="cannot be compiled"):
        finetune(pruned_swin, class_folder, tmp_path, replace(QUICK, qat=True))


def test_finetuned_network_is_not_pruned_over_by_the_loop(finetuned: Path) -> None:
    rounds = loop.Round(1, {"cycles": 0.5}, True, 100, 100, 120)
    with pytest.raises(UserError, match="finetuned"):
        loop.reprune(finetuned, rounds)
