"""Selectors in checkpoints: what is written comes back, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hw.errors import UserError
from prune.data import calibration_images
from prune.models import load_model
from prune.quantize import normalize
from prune.tokens import attach_, recording
from prune.tokens.access import selectors_of
from prune.tokens.files import describe_selectors, load_selected
from prune.tokens.live import live_tokens
from tests.prune.tokens.small import decide_by_noise_


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with selectors before blocks 1 and 3, all of its tensors."""
    model = attach_(load_model("demo").model, [1, 3], [0.3, 0.6])
    torch.manual_seed(0)
    for selector in selectors_of(model).values():
        decide_by_noise_(selector)
    path = tmp_path_factory.mktemp("selected") / "whole.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def alone(whole: Path) -> Path:
    """The selectors without the rest."""
    state = load_model("demo", whole).model.state_dict()
    path = whole.with_name("alone.safetensors")
    save_file({key: state[key] for key in state if key.startswith("selectors.")}, path)
    return path


def test_a_checkpoint_brings_its_selectors_and_thresholds_along(whole: Path) -> None:
    loaded = load_model("demo", whole)
    found = selectors_of(loaded.model)
    thresholds = {block: selector.threshold for block, selector in found.items()}
    assert thresholds == pytest.approx({1: 0.3, 3: 0.6})
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_selectors_alone_join_the_model_s_own_weights(whole: Path, alone: Path) -> None:
    first, second = load_model("demo", whole), load_selected("demo", None, alone)
    assert second.weights_source == "bundled demo, selectors of alone.safetensors"
    images = normalize(first, calibration_images(first)[:4])
    with torch.no_grad():
        assert torch.equal(first.model(images), second.model(images))


def test_a_run_s_folder_is_its_checkpoint(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "pruned.safetensors").write_bytes(whole.read_bytes())
    assert list(selectors_of(load_selected("demo", None, tmp_path).model)) == [1, 3]


def test_a_whole_model_beside_a_checkpoint_is_refused(whole: Path) -> None:
    with pytest.raises(UserError, match=r"holds a whole model, so that .* leave out one"):
        load_selected("demo", whole, whole)


def test_selectors_on_top_of_selectors_are_refused(whole: Path, alone: Path) -> None:
    with pytest.raises(UserError, match="have token selectors already"):
        load_selected("demo", whole, alone)


def test_a_checkpoint_without_selectors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_file(load_model("demo").model.state_dict(), path)
    with pytest.raises(UserError, match="holds no token selectors"):
        load_selected("demo", None, path)


def test_selectors_of_another_model_are_refused(alone: Path) -> None:
    with pytest.raises(UserError, match=r"selectors\.1\.norm\.weight has the shape"):
        load_selected("deit_t:img_size=32,patch_size=8,num_classes=10", None, alone)


def test_rates_and_live_tokens_are_means_over_the_images(whole: Path) -> None:
    loaded = load_model("demo", whole)
    images = normalize(loaded, calibration_images(loaded)[:20])
    with torch.no_grad(), recording(loaded.model) as record:
        loaded.model(images)
    live = live_tokens(loaded.model, images)
    assert torch.equal(live[3].tokens, record[3].tokens.double())
    entry = describe_selectors(loaded.model, images)[1]
    assert (entry["block"], entry["threshold"]) == (3, 0.6)
    assert entry["rate"] == pytest.approx(float(record[3].keep.mean()))
    assert describe_selectors(load_model("demo").model, images) == []
