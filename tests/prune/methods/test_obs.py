"""Block OBS and refits on a whole network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from hw.errors import UserError
from prune.allocation.allocate import Curve, allocate
from prune.blocks import BlockMask, prunable_layers
from prune.calibration.store import Store
from prune.methods import METHODS, BlockMethod, BlockOBS, LPViT, Magnitude, Wanda, method_named
from prune.models import LoadedModel
from prune.quantize import quantize

BLOCK = (16, 16)
PLAIN = BlockOBS(BLOCK, update="dense", row_weights=False, token_weights=False)


def half(
    model: VisionTransformer, method: BlockMethod, images: torch.Tensor
) -> dict[str, BlockMask]:
    """Masks that keep half of every layer, by the method's ranking."""
    layers = prunable_layers(model, BLOCK)
    rankings = method.rank(model, layers, images)
    return {a.name: rankings[a.name].mask(a.grid, a.grid.total // 2) for a in layers}


def prune(
    model: VisionTransformer, method: BlockMethod, images: torch.Tensor, store: Store | None = None
) -> dict[str, BlockMask]:
    masks = half(model, method, images)
    return method.apply_(model, prunable_layers(model, BLOCK), masks, images, store)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def error(tiny_vit: VisionTransformer, images: torch.Tensor) -> Callable[[], float]:
    """Mean squared change of the logits since the test began."""
    with torch.no_grad():
        before = tiny_vit(images)

    def now() -> float:
        with torch.no_grad():
            return float((tiny_vit(images) - before).square().mean())

    return now


def test_distortion_is_the_true_error_of_the_layers_output(
    tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    model, images = tiny_vit.double(), images.double()
    layers = prunable_layers(model, BLOCK)
    layer = next(a for a in layers if a.name == "blocks.0.mlp.fc1")
    seen: list[torch.Tensor] = []
    layer.module.register_forward_hook(lambda module, x, y: seen.append(x[0].flatten(0, 1)))
    method = replace(PLAIN, ridge=1e-12)
    ranking = method.rank(model, layers, images)[layer.name]
    removed = layer.grid.total // 2
    dense = layer.module.weight.detach().clone(), layer.module.bias.detach().clone()
    masks = {a.name: BlockMask(a.grid, np.ones(a.grid.size, dtype=bool)) for a in layers}
    masks[layer.name] = ranking.mask(layer.grid, removed)
    method.apply_(model, layers, masks, images)
    x = seen[0]
    change = x @ (layer.module.weight.detach() - dense[0]).T + layer.module.bias - dense[1]
    true = float(0.5 * change.detach().square().sum()) / len(images)
    assert ranking.distortion[removed] == pytest.approx(true, rel=1e-6)


def test_ranking_leaves_the_model_as_it_was(
    tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    half(tiny_vit, BlockOBS(BLOCK), images)
    for name, tensor in tiny_vit.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("name", METHODS)
def test_removed_blocks_are_exactly_zero(
    name: str, tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    for layer_name, mask in prune(tiny_vit, method_named(name, BLOCK), images).items():
        weight = tiny_vit.get_submodule(layer_name).weight.detach().flatten(1).numpy()
        assert (weight[~mask.weights()] == 0).all(), layer_name
        assert mask.kept == mask.grid.total - mask.grid.total // 2


def test_refitted_weights_change_the_logits_less_than_the_mask_alone(
    tiny_vit: VisionTransformer, images: torch.Tensor, error: Callable[[], float]
) -> None:
    state = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    found = {}
    for update in ("off", "dense", "sequential"):
        tiny_vit.load_state_dict(state)
        prune(tiny_vit, replace(PLAIN, update=update), images)
        found[update] = error()
    assert found["sequential"] < found["dense"] < found["off"]


def test_any_ranking_can_be_refitted(
    tiny_vit: VisionTransformer, images: torch.Tensor, error: Callable[[], float]
) -> None:
    state = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    prune(tiny_vit, Magnitude(BLOCK), images)
    alone = error()
    tiny_vit.load_state_dict(state)
    prune(tiny_vit, Magnitude(BLOCK, update="sequential"), images)
    assert error() < 0.8 * alone


def test_row_weights_change_the_choice_but_not_the_weights_of_a_mask(
    tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    weighted = replace(PLAIN, row_weights=True)
    masks = half(tiny_vit, PLAIN, images)
    other = half(tiny_vit, weighted, images)
    assert any((masks[name].keep != other[name].keep).any() for name in masks)
    state = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    layers = prunable_layers(tiny_vit, BLOCK)
    results = []
    for method in (PLAIN, weighted):
        tiny_vit.load_state_dict(state)
        replace(method, reselect=False).apply_(tiny_vit, layers, masks, images)
        results.append(tiny_vit.blocks[1].mlp.fc2.weight.detach().clone())
    torch.testing.assert_close(*results)


def test_tokens_that_no_logit_depends_on_count_nothing(
    tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    layers = prunable_layers(tiny_vit, BLOCK)
    found = BlockOBS(BLOCK).importance(tiny_vit, layers, images, Store())
    last = found["blocks.1.mlp.fc2"].tokens.view(len(images), -1)
    assert (last[:, 1:] == 0).all()
    assert last[:, 0].mean() == pytest.approx(last.shape[1])


def test_interrupted_run_goes_on_with_the_layers_that_are_finished(
    tiny_vit: VisionTransformer, images: torch.Tensor, tmp_path: Path
) -> None:
    state = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    prune(tiny_vit, BlockOBS(BLOCK), images)
    whole = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}

    class Interrupted(Exception):
        pass

    written: list[str] = []

    def stop_in_the_refit(name: str) -> None:
        written.append(name)
        if name == "blocks.0.mlp.fc2":
            raise Interrupted

    tiny_vit.load_state_dict(state)
    with pytest.raises(Interrupted):
        prune(tiny_vit, BlockOBS(BLOCK), images, Store(tmp_path, stop_in_the_refit))
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    tiny_vit.load_state_dict(state)
    prune(tiny_vit, BlockOBS(BLOCK), images, Store(tmp_path))
    for name, tensor in tiny_vit.state_dict().items():
        assert torch.equal(tensor, whole[name]), name
    assert all(path.stat().st_mtime_ns == time for path, time in made.items())


def test_all_blocks_kept_leaves_every_weight_as_it_was(
    tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_vit.state_dict().items()}
    layers = prunable_layers(tiny_vit, BLOCK)
    masks = {a.name: BlockMask(a.grid, np.ones(a.grid.size, dtype=bool)) for a in layers}
    BlockOBS(BLOCK).apply_(tiny_vit, layers, masks, images)
    for name, tensor in tiny_vit.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_wanda_prunes_every_layer_to_the_same_share(
    tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    rankings = Wanda(BLOCK).rank(tiny_vit, prunable_layers(tiny_vit, BLOCK), images)
    curves = {
        name: Curve(np.arange(len(ranking.objective), dtype=float)[None], ranking.objective)
        for name, ranking in rankings.items()
    }
    total = sum(len(ranking.order) for ranking in rankings.values())
    removed = allocate(curves, [total / 2]).removed
    for name, count in removed.items():
        assert abs(count - len(rankings[name].order) / 2) <= 1, name


def test_wanda_weighs_by_the_norm_of_the_input(images: torch.Tensor) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1, bias=False))
    model[1].weight.data = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    x = torch.tensor([[0.1, 1.0, 3.0, 0.5], [-0.1, -1.0, 3.0, 0.5]])
    layers = prunable_layers(model, (1, 1))
    ranking = Wanda((1, 1)).rank(model, layers, x)["1"]
    size = np.array([4 * 0.02**0.5, 3 * 2**0.5, 2 * 18**0.5, 0.5**0.5])
    assert list(ranking.order) == list(np.argsort(size))
    gone = np.concatenate([[0], np.cumsum(np.sort(size) ** 2)])
    np.testing.assert_allclose(ranking.distortion, gone / gone[-1], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("obs:balance=0.5", "balance=0.5"),
        ("obs:ridge=2", "ridge=2"),
        ("obs:update=later", "update=later"),
        ("obs:reselect=1", "reselect=1: expected bool"),
        ("obs:speed=3", "expected SETTING=VALUE"),
        ("magnitude:balance=2", "expected SETTING=VALUE"),
    ],
)
def test_bad_setting_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        method_named(text, BLOCK)


def test_settings_are_read_from_the_methods_name() -> None:
    assert method_named("obs:balance=1.5,reselect=false,update=dense", BLOCK) == BlockOBS(
        BLOCK, balance=1.5, reselect=False, update="dense"
    )
    assert method_named("lpvit-refit:update=off", BLOCK) == LPViT(BLOCK)


@pytest.mark.parametrize("name", METHODS)
def test_removed_blocks_stay_zero_in_the_integer_network(
    name: str, tiny_vit: VisionTransformer, images: torch.Tensor
) -> None:
    masks = prune(tiny_vit, method_named(name, BLOCK), images)
    loaded = LoadedModel(tiny_vit, "tiny", "random", (0.5,) * 3, (0.5,) * 3, random=True)
    network = quantize(loaded, torch.rand(2, 3, 32, 32), BLOCK)
    for op in network.linears():
        assert (network.param(op, "weight")[~masks[op.name].weights()] == 0).all(), op.name
