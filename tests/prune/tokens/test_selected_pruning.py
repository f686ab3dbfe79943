"""Blocks are pruned in a model that selects tokens, at the price of the tokens that are left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file

import prune
from hw.cli import run_app
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import load_network
from hw.program.schedule import kept_tiles
from prune.allocation.budget import Unit
from prune.blocks import prunable_layers
from prune.cli import app
from prune.data import calibration_images
from prune.finetune import Recipe, finetune
from prune.models import load_model
from prune.models.reach import why_dense
from prune.models.support import why_not_compilable
from prune.pipeline import run
from prune.prepared import Prepared, prepare
from prune.quantize import normalize
from prune.run_folder import Pruned, write
from prune.settings import Settings, Source
from prune.tokens import ToMe, attach_, detach_, recording
from prune.tokens.access import selectors_of
from prune.tokens.live import live_counts
from prune.views import Shown, write_views
from sim.cycles import CycleModel, network_cycles
from tests.prune.tokens.small import decide_by_noise_

SHAPE, CONFIG = (16, 16), ArrayConfig()
BUDGET = 0.55


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Selectors for the demo that each keep about 70 % of the patches before them."""
    loaded = load_model("demo")
    torch.manual_seed(0)
    model = attach_(loaded.model, [1, 3])
    images = normalize(loaded, calibration_images(loaded)[:16])
    with torch.no_grad(), recording(model) as record:
        for block, selector in selectors_of(model).items():
            decide_by_noise_(selector)
            model(images)
            scores = record[block].scores
            selector.threshold = float(scores[scores > 0].quantile(0.3))
    state = model.state_dict()
    path = tmp_path_factory.mktemp("selectors") / "noise.safetensors"
    save_file({key: state[key] for key in state if key.startswith("selectors.")}, path)
    return path


@pytest.fixture(scope="module")
def pruned(checkpoint: Path) -> Pruned:
    source = Source("demo", images=8, selectors=checkpoint)
    return run(Settings(source, {"cycles": BUDGET}, "magnitude", SHAPE, CONFIG))


def test_selectors_stay_dense_and_say_why(pruned: Pruned) -> None:
    names = [layer.name for layer in prunable_layers(pruned.loaded.model, SHAPE)]
    assert names == list(pruned.masks)
    assert not any(name.startswith("selectors.") for name in names)
    reasons = why_dense(pruned.loaded.model)
    assert reasons["selectors.1.mix"] == reasons["selectors.3.heads2"] == "part of a token selector"


def test_selectors_keep_their_weights(pruned: Pruned, checkpoint: Path) -> None:
    before = load_model("demo").model
    after = pruned.loaded.model.state_dict()
    for name, tensor in load_file(checkpoint).items():
        assert torch.equal(after[name], tensor), name
    assert not torch.equal(after["blocks.2.mlp.fc1.weight"], before.blocks[2].mlp.fc1.weight)


def test_budget_is_a_share_of_the_network_without_selectors(pruned: Pruned) -> None:
    report = pruned.report
    assert pruned.network is not None
    plain = prepare(Source("demo", images=8), "magnitude", SHAPE, CONFIG)
    assert report["dense_cycles"] == plain.cost("cycles").dense
    assert report["target_cycles"] == round(BUDGET * report["dense_cycles"])


def test_prediction_is_the_mean_over_the_images(pruned: Pruned) -> None:
    network, loaded = pruned.network, pruned.loaded
    assert network is not None
    images = normalize(loaded, calibration_images(loaded, count=8))
    model = CycleModel(network, CONFIG)
    kept = kept_tiles(network, model.schedule)
    cycles = [model.evaluate(kept, live).total for live in live_counts(loaded.model, images)]
    assert pruned.report["predicted_cycles"] == round(sum(cycles) / len(cycles))
    assert pruned.report["predicted_cycles"] < network_cycles(network, CONFIG).total


def test_selectors_alone_may_meet_a_budget(checkpoint: Path) -> None:
    source = Source("demo", images=8, selectors=checkpoint)
    report = run(Settings(source, {"cycles": 1.0}, "magnitude", SHAPE, CONFIG)).report
    assert all(row["blocks_kept"] == row["blocks_total"] for row in report["layers"])
    assert report["predicted_cycles"] < report["dense_cycles"]


@pytest.fixture(scope="module")
def prepared(checkpoint: Path) -> Prepared:
    return prepare(Source("demo", images=8, selectors=checkpoint), "magnitude", SHAPE, CONFIG)


@pytest.mark.parametrize("unit", get_args(Unit))
def test_costs_count_live_tokens(prepared: Prepared, unit: Unit) -> None:
    assert prepared.selected is not None
    cost = prepared.cost(unit)
    few = replace(
        prepared,
        selected=replace(prepared.selected, live=dict.fromkeys(prepared.selected.live, 5)),
        _costs={},
    )
    assert few.cost(unit).dense == cost.dense
    assert few.cost(unit).total({}) < cost.total({}) < cost.dense


@pytest.mark.parametrize("method", ["wanda", "lpvit", "obs"])
def test_every_method_prunes_a_model_that_selects(checkpoint: Path, method: str) -> None:
    source = Source("demo", images=8, selectors=checkpoint)
    prepared = prepare(source, method, SHAPE, CONFIG)
    allocation = prepared.allocate({"flops": 0.4})
    masks = prepared.apply_(allocation).masks
    for name, mask in masks.items():
        weight = prepared.loaded.model.get_submodule(name).weight.detach().flatten(1)
        assert not weight[torch.from_numpy(~mask.weights())].any()
    with torch.no_grad():
        assert prepared.loaded.model(prepared.inputs).isfinite().all()


def test_a_run_folder_brings_the_selectors_back(
    pruned: Pruned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(pruned, tmp_path)
    loaded = pruned.loaded
    images = normalize(loaded, calibration_images(loaded, count=8))
    with torch.no_grad():
        assert torch.equal(prune.load_pruned(tmp_path)(images), loaded.model(images))
        applied = prune.apply(load_model("demo").model, tmp_path)
        assert torch.equal(applied(images), loaded.model(images))
    assert [entry["block"] for entry in load_network(tmp_path).info["selectors"]] == [1, 3]
    assert pruned.report["selectors_from"] is not None
    path = tmp_path / "plain.pth"
    with pytest.raises(SystemExit):
        run_app(app, ["apply", str(tmp_path), "--out", str(path)])
    assert "without the token selectors before blocks 1, 3" in capsys.readouterr().out
    without = detach_(prune.load_pruned(tmp_path))
    plain = load_model("demo", path).model
    with torch.no_grad():
        assert torch.equal(plain(images), without(images))


def test_a_run_shows_its_tokens_by_itself(pruned: Pruned, tmp_path: Path) -> None:
    write(pruned, tmp_path)
    path = tmp_path / "views" / "tokens.svg"
    assert path in write_views(tmp_path)
    by_default = path.read_bytes()
    write_views(tmp_path, Shown(count=2))
    assert len(path.read_bytes()) < len(by_default)


def test_finetuning_a_run_that_selects_is_refused(pruned: Pruned, tmp_path: Path) -> None:
    write(pruned, tmp_path / "run")
    with pytest.raises(UserError, match="has token selectors, which finetuning"):
        finetune(tmp_path / "run", tmp_path, tmp_path / "out", Recipe())
    assert not (tmp_path / "out").exists()


def test_a_reduction_without_selectors_is_not_compiled() -> None:
    model = attach_(load_model("demo").model, ToMe((2,) * 4))
    assert "without learned selectors" in str(why_not_compilable(model))


def test_selectors_that_are_missing_are_one_line(tmp_path: Path) -> None:
    source = Source("demo", images=8, selectors=tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="no such file"):
        prepare(source, "obs", SHAPE, CONFIG)
