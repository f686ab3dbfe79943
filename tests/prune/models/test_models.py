"""Loading models: names, sources of weights, and inputs that do not fit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.errors import UserError
from prune.models import LoadedModel, load, load_model
from prune.models.names import parse_name
from prune.models.pretrained import why_unavailable
from prune.models.support import why_not_compilable

TINY = "deit_t:img_size=32,patch_size=8,embed_dim=48,depth=2,num_heads=3,num_classes=10"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the network."""
    monkeypatch.setattr(load, "why_unavailable", lambda config: "a test without network")


def load_quietly(name: str, checkpoint: Path | None = None, seed: int = 0) -> LoadedModel:
    return load_model(name, checkpoint, seed, say=lambda line: None)


def test_short_name_stands_for_the_timm_model() -> None:
    assert parse_name("deit_s").timm_name == "deit_small_patch16_224"


def test_unknown_name_suggests_close_ones() -> None:
    with pytest.raises(
        UserError, match=r"'deit_smal_patch16_224'.*did you mean deit_small_patch16"
    ):
        load_quietly("deit_smal_patch16_224")


@pytest.mark.parametrize("item", ["depth", "width=3", "depth=two", "pre_norm=1", "mlp_ratio=x"])
def test_override_that_cannot_be_used_is_named(item: str) -> None:
    with pytest.raises(UserError, match=item.split("=")[0]):
        load_quietly(f"deit_t:{item}")


def test_overrides_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be built with num_heads=5"):
        load_quietly("deit_t:num_heads=5")


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("swin_tiny_patch4_window7_224", "is not timm's VisionTransformer"),
        ("eva02_tiny_patch14_224", "RoPE"),
        ("vit_base_patch16_siglip_224:depth=1", "attention pooling"),
        ("vit_small_patch16_18x2_224:depth=1", "ParallelThingsBlock"),
        ("vit_giant_patch14_dinov2:num_classes=10,depth=1", "SwiGLU"),
        ("vit_small_patch14_dinov2:depth=1", "without classifier"),
    ],
)
def test_model_without_integer_form_is_loaded_and_named_by_its_feature(
    name: str, feature: str
) -> None:
    loaded = load_quietly(name)
    with pytest.raises(UserError, match=feature):
        loaded.compilable()


@pytest.mark.parametrize("feature", ["qk_norm", "scale_attn_norm", "scale_mlp_norm"])
def test_unsupported_norm_is_named(feature: str) -> None:
    model = VisionTransformer(embed_dim=48, depth=1, num_heads=3, **{feature: True})
    reason = why_not_compilable(model)
    assert reason is not None and feature in reason


@pytest.mark.parametrize(
    "name", ["resnet50", "convnext_atto", "mobilenetv3_small_050", "vgg11", "convformer_s18"]
)
def test_convolutional_network_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"not a Vision Transformer.*expected at least 50%"):
        load_quietly(name)


def test_size_of_the_images_follows_an_override_that_the_model_does_not_keep() -> None:
    assert load_quietly("levit_128s:img_size=96").image_shape == (3, 96, 96)


@pytest.mark.parametrize(
    ("name", "channels"),
    [("deit_t:depth=1,in_chans=1", 1), ("levit_128s:in_chans=1", 1), ("csatv2", 3)],
)
def test_channels_of_the_images_are_those_the_model_takes(name: str, channels: int) -> None:
    assert load_quietly(name).image_shape[0] == channels


def test_stages_are_given_by_one_number_each() -> None:
    overrides = parse_name("swin_tiny_patch4_window7_224:depths=1x2,window_size=4").overrides
    assert overrides == {"depths": (1, 2), "window_size": 4}


def test_override_that_the_model_does_not_take_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot be built with reg_tokens=2.*change them"):
        load_quietly("swin_tiny_patch4_window7_224:reg_tokens=2")


def test_random_weights_are_announced_in_plain_words() -> None:
    lines: list[str] = []
    loaded = load_model(TINY, seed=3, say=lines.append)
    assert loaded.random
    assert loaded.weights_source == "random (seed 3)"
    assert len(lines) == 1
    assert "accuracy means NOTHING" in lines[0]
    assert "Cycles still hold" in lines[0]


def test_random_weights_repeat_for_a_seed_and_differ_between_seeds() -> None:
    first, again, other = (load_quietly(TINY, seed=seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_random_weights_keep_activations_alive() -> None:
    loaded = load_quietly(TINY)
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = loaded.model.forward_features(images)
        logits = loaded.model(images)
    assert 0.2 < features.std() < 5
    assert logits.std(dim=0).mean() > 0.1 * logits.std()


@pytest.fixture
def tiny_state() -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in load_quietly(TINY).model.state_dict().items()}


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_pth_checkpoint_loads_with_and_without_wrapper(
    tiny_state: dict[str, torch.Tensor], tmp_path: Path, wrapper: str | None
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({wrapper: tiny_state, "epoch": 3} if wrapper else tiny_state, path)
    loaded = load_quietly(TINY, path, seed=9)
    assert loaded.weights_source == "checkpoint weights.pth"
    assert not loaded.random
    assert torch.equal(loaded.model.state_dict()["head.weight"], tiny_state["head.weight"])


def test_half_precision_checkpoint_loads_as_float32(
    tiny_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({name: tensor.half() for name, tensor in tiny_state.items()}, path)
    head = load_quietly(TINY, path).model.head
    assert isinstance(head, nn.Linear)
    assert head.weight.dtype == torch.float32
    assert torch.equal(head.weight, tiny_state["head.weight"].half().float())


def test_classes_follow_the_checkpoint(tiny_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(tiny_state, path)
    loaded = load_quietly(TINY.replace(",num_classes=10", ""), path)
    assert loaded.model.num_classes == 10


def test_folded_layer_scale_follows_the_checkpoint(
    tiny_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(tiny_state, path)
    name = TINY.replace("deit_t", "deit3_small_patch16_224") + ",no_embed_class=false"
    assert isinstance(load_quietly(name, path).model.blocks[0].ls1, nn.Identity)


def test_first_tensor_of_another_shape_is_named(
    tiny_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(tiny_state, path)
    with pytest.raises(UserError, match=r"pos_embed has the shape \(1, 17, 48\).*\(1, 65, 48\)"):
        load_quietly(TINY.replace("img_size=32", "img_size=64"), path)


def test_missing_tensor_is_named(tiny_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    del tiny_state["blocks.1.attn.proj.bias"]
    save_file(tiny_state, path)
    with pytest.raises(UserError, match=r"has no tensor blocks\.1\.attn\.proj\.bias"):
        load_quietly(TINY, path)


def test_unknown_tensor_is_named(tiny_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(tiny_state | {"blocks.7.norm1.weight": torch.ones(48)}, path)
    with pytest.raises(UserError, match=r"no tensor blocks\.7\.norm1\.weight"):
        load_quietly(TINY, path)


def test_checkpoint_with_infinite_values_is_refused(
    tiny_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    tiny_state["norm.bias"][3] = torch.inf
    save_file(tiny_state, path)
    with pytest.raises(UserError, match=r"norm\.bias holds values that are not finite"):
        load_quietly(TINY, path)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_truncated_checkpoint_is_refused(
    tiny_state: dict[str, torch.Tensor], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(tiny_state, path)
    else:
        save_file(tiny_state, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="cut short or not a checkpoint"):
        load_quietly(TINY, path)


def test_checkpoint_with_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(UserError, match="not a checkpoint"):
        load_quietly(TINY, path)


def test_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3}, path)
    with pytest.raises(UserError, match="no dictionary of tensors"):
        load_quietly(TINY, path)


def test_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_quietly(TINY, tmp_path / "weights.pth")


def test_demo_comes_with_its_weights_and_normalization() -> None:
    loaded = load_quietly("demo")
    assert (loaded.weights_source, loaded.random) == ("bundled demo", False)
    assert loaded.image_shape == (1, 28, 28)
    assert len(loaded.mean) == len(loaded.std) == 1


def test_hub_is_not_asked_when_told_to_stay_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert why_unavailable({"hf_hub_id": "timm/no_such_model"}) == "HF_HUB_OFFLINE is set"


def test_unreachable_hub_is_a_reason_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    reason = why_unavailable({"url": "http://127.0.0.1:9/weights.pth"})
    assert reason == "the model hub cannot be reached"
