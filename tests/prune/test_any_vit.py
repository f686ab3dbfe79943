"""Transformers of timm, small: pruned by every method, measured, and exported."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hw.artifacts import write_tensors
from prune import accuracy
from prune.allocation.budget import Budget
from prune.allocation.flops import FlopCost
from prune.blocks import prunable_layers
from prune.methods import METHODS, method_named
from prune.methods.lpvit import output_gradients
from prune.models import LoadedModel, load_model
from prune.models.support import why_not_compilable
from prune.pruning import prune_
from prune.quantize import normalize

BLOCK = (8, 8)
LARGE_BLOCK = (32, 32)
"""Of the one model that cannot be made small."""
SMALL = "depth=2,embed_dim=48,num_heads=3,num_classes=10"
MODELS = {
    "vit": f"vit_tiny_patch16_224:img_size=32,patch_size=8,{SMALL}",
    "vit-registers": f"vit_wee_patch16_reg1_gap_256:img_size=32,patch_size=8,{SMALL}",
    "vit-qk-norm": f"vit_large_patch14_xp_224:img_size=32,patch_size=8,{SMALL}",
    "vit-swiglu": f"vit_giant_patch14_dinov2:img_size=32,patch_size=8,{SMALL}",
    "vit-pooling": f"vit_base_patch16_siglip_224:img_size=32,patch_size=8,{SMALL}",
    "deit": f"deit_tiny_patch16_224:img_size=32,patch_size=8,{SMALL}",
    "deit-distilled": f"deit_tiny_distilled_patch16_224:img_size=32,patch_size=8,{SMALL}",
    "deit3": f"deit3_small_patch16_224:img_size=32,patch_size=8,{SMALL}",
    "eva02": f"eva02_tiny_patch14_224:img_size=32,patch_size=8,{SMALL}",
    "dinov3": f"vit_small_patch16_dinov3:img_size=32,patch_size=8,{SMALL}",
    "beit": f"beit_base_patch16_224:img_size=32,patch_size=8,{SMALL}",
    "swin": "swin_tiny_patch4_window7_224:img_size=32,window_size=4,embed_dim=32,depths=1x1,"
    "num_heads=2x4,num_classes=10",
    "swin2": "swinv2_tiny_window8_256:img_size=32,window_size=4,embed_dim=32,depths=1x1,"
    "num_heads=2x4,num_classes=10",
    "pit": "pit_ti_224:img_size=64,base_dims=16x16x16,depth=1x1x1,heads=2x2x2,num_classes=10",
    "cait": f"cait_xxs24_224:img_size=32,patch_size=8,{SMALL}",
    "xcit": f"xcit_nano_12_p16_224:img_size=32,{SMALL}",
    "levit": "levit_128s:img_size=64,embed_dim=16x32x48,depth=1x1x1,num_heads=1x2x2,num_classes=10",
    "mobilevit": "mobilevit_xxs:img_size=64,num_classes=10",
}
COMPILED = {"vit", "vit-registers", "deit", "deit-distilled", "deit3"}

every_model = pytest.mark.parametrize("kind", MODELS)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the network."""
    monkeypatch.setattr(
        "prune.models.load.why_unavailable", lambda config: "a test without network"
    )


@cache
def _loaded(kind: str) -> LoadedModel:
    return load_model(MODELS[kind], say=lambda line: None)


@pytest.fixture
def load() -> Callable[[str], LoadedModel]:
    """Makes a model of a kind, the same each time."""
    return lambda kind: copy.deepcopy(_loaded(kind))


def images(loaded: LoadedModel, count: int = 2) -> Tensor:
    """Normalized noise (count, channels, height, width)."""
    pixels = torch.rand(count, *loaded.image_shape, generator=torch.Generator().manual_seed(0))
    return normalize(loaded, pixels)


@every_model
@pytest.mark.parametrize("method", METHODS)
def test_every_method_prunes_every_model_to_its_budget(
    kind: str, method: str, load: Callable[[str], LoadedModel]
) -> None:
    loaded = load(kind)
    given = images(loaded)
    cost = FlopCost.of_model(loaded.model, given[0])
    budget = Budget(0.75, cost)
    block = LARGE_BLOCK if kind == "mobilevit" else BLOCK
    allocation = prune_(loaded.model, method_named(method, block), budget, given)
    assert cost.total(allocation.masks) == pytest.approx(budget.target, rel=0.02)
    state = loaded.model.state_dict()
    for name, mask in allocation.masks.items():
        dead = torch.from_numpy(~mask.weights())
        assert not state[f"{name}.weight"].flatten(1)[dead].any()
    with torch.no_grad():
        assert loaded.model(given).isfinite().all()


@every_model
def test_random_weights_let_every_layer_matter(
    kind: str, load: Callable[[str], LoadedModel]
) -> None:
    loaded = load(kind)
    layers = prunable_layers(loaded.model, BLOCK)
    gradients = output_gradients(loaded.model, layers, images(loaded))
    assert [name for name, gradient in gradients.items() if not gradient.any()] == []


@every_model
def test_float_accuracy_is_measured(kind: str, load: Callable[[str], LoadedModel]) -> None:
    loaded = load(kind)
    pixels = torch.rand(4, *loaded.image_shape)
    with torch.no_grad():
        guessed = loaded.model(normalize(loaded, pixels)).argmax(-1).numpy()
    labels = np.where([True, True, True, False], guessed, guessed + 1)
    found = accuracy.measure(
        loaded, None, accuracy.TestSet("noise", labels, lambda chosen: pixels[chosen])
    )
    assert (found.float_top1, found.int8_top1) == (0.75, None)


@every_model
def test_model_says_whether_the_compiler_runs_it(
    kind: str, load: Callable[[str], LoadedModel]
) -> None:
    assert (why_not_compilable(load(kind).model) is None) == (kind in COMPILED)


@every_model
def test_layers_hold_nearly_all_weights(kind: str, load: Callable[[str], LoadedModel]) -> None:
    model = load(kind).model
    held = sum(layer.module.weight.numel() for layer in prunable_layers(model, BLOCK))
    matrices = sum(weight.numel() for weight in model.parameters() if weight.ndim in (2, 4))
    assert held > 0.9 * matrices


@every_model
def test_checkpoint_brings_back_the_model_and_its_classes(
    kind: str, load: Callable[[str], LoadedModel], tmp_path: Path
) -> None:
    model, path = load(kind).model, tmp_path / "weights.safetensors"
    write_tensors(path, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    again = load_model(MODELS[kind].replace("num_classes=10", ""), path).model
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0)
