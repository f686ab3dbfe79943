"""A training of selectors, from a pruning run's folder to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import load_network
from prune.finetune import Running, checkpoint
from prune.finetune.pruning_run import read_run, unpruned
from prune.models import load_model
from prune.settings import Source
from prune.tokens.access import selectors_of
from prune.tokens.decision import Drawing
from prune.tokens.run import train_selectors
from tests.prune.tokens.conftest import QUICK, train

WEIGHTS = "pruned.safetensors"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def interrupt_after(monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Stop the next training by a keyboard interrupt after so many states are written."""
    written = 0
    save = checkpoint.save

    def stopping(*args: Any) -> None:
        nonlocal written
        save(*args)
        written += 1
        if written == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", stopping)


def backbone(folder: Path) -> dict[str, Any]:
    return {k: v for k, v in load_file(folder / WEIGHTS).items() if not k.startswith("selectors.")}


def test_mean_cycles_meet_the_budget(selected: Path) -> None:
    report = read(selected / "pruned.json")
    target = QUICK.cycles * report["dense_cycles"]
    assert report["predicted_cycles"] <= target < report["dense_cycles"]
    assert report["target_cycles"] == round(target)


def test_removed_blocks_stay_removed(selected: Path, pruned_demo: Path) -> None:
    masks = load_file(selected / "masks.safetensors")
    before = load_file(pruned_demo / "masks.safetensors")
    weights = load_file(selected / WEIGHTS)
    for name, keep in masks.items():
        assert np.array_equal(keep, before[name])
        dead = ~np.kron(keep, np.ones((16, 16), bool))
        matrix = weights[f"{name}.weight"].reshape(len(weights[f"{name}.weight"]), -1)
        assert not matrix[dead[: matrix.shape[0], : matrix.shape[1]]].any()


def test_backbone_is_trained_when_its_freeze_is_over(selected: Path, pruned_demo: Path) -> None:
    before, after = backbone(pruned_demo), backbone(selected)
    assert before.keys() == after.keys()
    assert all(not np.array_equal(before[name], after[name]) for name in before)


def test_frozen_backbone_stays_as_it_is(
    pruned_demo: Path, class_folder: Path, tmp_path: Path
) -> None:
    train(pruned_demo, class_folder, tmp_path, freeze=1.0)
    before, after = backbone(pruned_demo), backbone(tmp_path)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_report_says_what_was_done(selected: Path) -> None:
    report = read(selected / "pruned.json")
    log = report["tokens"]
    assert log == read(selected / "tokens.json")
    assert [entry["block"] for entry in report["selectors"]] == sorted(
        map(int, log["schedule"]["rates"])
    )
    thresholds = [entry["threshold"] for entry in report["selectors"]]
    assert thresholds == pytest.approx(log["levels"]["thresholds"], abs=1e-5)
    assert log["levels"]["mean_cycles"] == pytest.approx(report["predicted_cycles"], abs=0.5)
    assert log["train_images"] == 96 and log["epochs"][-1]["step"] == 6
    assert "selectors" in report["weights_source"]


def test_network_selects_tokens(selected: Path) -> None:
    blocks = {entry["block"] for entry in read(selected / "pruned.json")["selectors"]}
    ops = [op for op in load_network(selected).ops if op.kind == "token_select"]
    assert {op.block for op in ops} == blocks


def test_result_can_be_loaded(selected: Path) -> None:
    loaded = load_model("demo", selected / WEIGHTS)
    wanted = [entry["threshold"] for entry in read(selected / "pruned.json")["selectors"]]
    found = [selector.threshold for selector in selectors_of(loaded.model).values()]
    assert found == pytest.approx(wanted, abs=1e-5)


def test_no_state_is_left_behind(selected: Path) -> None:
    assert not (selected / "state.pt").exists()


@pytest.mark.parametrize("saves", [1, 2], ids=["before the first step", "while ranking"])
def test_resumed_run_equals_an_uninterrupted_one(
    saves: int,
    selected: Path,
    pruned_demo: Path,
    class_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = Running(workers=0, save_every=1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, saves)
        train(pruned_demo, class_folder, tmp_path, running)
    train(pruned_demo, class_folder, tmp_path, Running(workers=0, resume=True))
    for file in (WEIGHTS, "network.safetensors"):
        expected, found = load_file(selected / file), load_file(tmp_path / file)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    logs = [read(folder / "tokens.json") for folder in (selected, tmp_path)]
    for log in logs:
        log["epochs"][-1].pop("images_per_second")
    assert logs[0] == logs[1]


def test_resume_with_another_budget_is_refused(
    pruned_demo: Path, class_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 1)
        train(pruned_demo, class_folder, tmp_path)
    with pytest.raises(UserError, match=r"interrupted with cycles=0\.42, resumed with cycles=0\.4"):
        train(pruned_demo, class_folder, tmp_path, Running(resume=True), cycles=0.4)


def test_run_with_selectors_is_refused(selected: Path, class_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has token selectors already"):
        train(selected, class_folder, tmp_path / "out")


def test_output_over_the_pruning_run_is_refused(pruned_demo: Path, class_folder: Path) -> None:
    with pytest.raises(UserError, match="choose another --out"):
        train(pruned_demo, class_folder, pruned_demo)


def test_budget_beyond_selectors_is_refused(
    pruned_demo: Path, class_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"--cycles"):
        train(pruned_demo, class_folder, tmp_path / "out", cycles=0.1)
    assert not (tmp_path / "out").exists()


def test_model_without_integer_form_is_refused(class_folder: Path, tmp_path: Path) -> None:
    name = "pit_ti_224:img_size=64,num_classes=10,in_chans=1"
    source = Source(name, images=2)
    with pytest.raises(UserError, match="cannot be compiled"):
        run = unpruned(source, (16, 16), ArrayConfig())
        train_selectors(run, class_folder, tmp_path / "out", QUICK)


def test_digest_follows_weights_and_masks(pruned_demo: Path) -> None:
    whole = unpruned(Source("demo", images=2), (16, 16), ArrayConfig())
    assert whole.report["predicted_cycles"] == whole.report["dense_cycles"]
    assert whole.digest != read_run(pruned_demo).digest


@pytest.mark.parametrize(
    ("quiet", "expected"),
    [
        pytest.param(1 / 3, [1.0, 0.5, 0.0, 0.0], id="fades"),
        pytest.param(0.0, [1.0] * 4, id="stays"),
    ],
)
def test_noise_of_the_decisions(
    quiet: float,
    expected: list[float],
    pruned_demo: Path,
    class_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = []

    def watching(**fields: float) -> Drawing:
        noise.append(fields["noise"])
        return Drawing(**fields)

    monkeypatch.setattr("prune.tokens.training.Drawing", watching)
    train(pruned_demo, class_folder, tmp_path, quiet=quiet)
    assert noise == expected
