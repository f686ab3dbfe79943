"""One pruning run from a model's name to the artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hw.config import ArrayConfig
from prune.accuracy import load_test_set, measure
from prune.calibration.store import Store, fingerprint
from prune.demo import build_demo
from prune.methods import elimination
from prune.pipeline import run
from prune.settings import Settings, Source
from sim.cycles import network_cycles

CONFIG = ArrayConfig(rows=8, cols=8)


@pytest.mark.parametrize("budget", [0.35, 0.6])
def test_quantized_network_meets_the_budget_although_quantizing_empties_tiles(
    budget: float,
) -> None:
    source = Source("demo", images=8)
    pruned = run(Settings(source, {"cycles": budget}, "magnitude", (8, 8), CONFIG))
    target = pruned.report["target_cycles"]
    assert pruned.network is not None
    assert network_cycles(pruned.network, CONFIG).total == pytest.approx(target, rel=0.01)


def test_block_obs_keeps_the_demo_at_half_its_cycles() -> None:
    source = Source("demo", images=128)
    pruned = run(Settings(source, {"cycles": 0.5}, "obs", (16, 16), ArrayConfig()))
    measured = measure(pruned.loaded, pruned.network, load_test_set(pruned.loaded, None), 500)
    assert measured.float_top1 is not None and measured.int8_top1 is not None
    assert measured.float_top1 > 0.88  # dense: 0.92; by LPViT's score: 0.1
    assert measured.int8_top1 > 0.88


def test_interrupted_run_goes_on_and_ends_as_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("demo", images=8)
    settings = Settings(source, {"cycles": 0.6}, "obs", (16, 16), ArrayConfig())
    whole = run(settings).loaded.model.state_dict()
    finished: list[str] = []

    def stop(name: str) -> None:
        finished.append(name)
        if name == "blocks.2.attn.proj":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(settings, progress=Store(tmp_path, stop))
    assert "blocks.3.mlp.fc2.ranking" in finished
    monkeypatch.setattr(elimination, "_eliminate_rows", lambda *_: pytest.fail("ranked again"))
    resumed = run(settings, progress=Store(tmp_path)).loaded.model.state_dict()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_progress_of_other_images_is_not_taken(tmp_path: Path) -> None:
    images = torch.rand(2, 1, 28, 28)
    model = build_demo()
    settings = ["obs"]
    first = fingerprint(model, images, settings)
    assert first == fingerprint(model, images.clone(), settings)
    assert first != fingerprint(model, images + 1e-3, settings)
    assert first != fingerprint(model, images, ["lpvit"])
    model.head.bias.data += 1
    assert first != fingerprint(model, images, settings)
