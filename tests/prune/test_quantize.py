"""Quantization: every kind of ViT gives a valid network that computes what the float model does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from hw.errors import UserError
from hw.ir import LayerNorm, Linear, Network, Softmax, load_network, save_network
from prune.accuracy import load_test_set, measure
from prune.data import calibration_images
from prune.models import LoadedModel, load_model
from prune.models.initialize import initialize
from prune.quantize import normalize, quantize
from prune.quantize.linear import RealLinear, linear_params
from prune.quantize.observe import Site, observe
from prune.quantize.smooth import Smoothing
from prune.quantize.table import fit_table
from sim import reference

SMALL = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 96,
    "depth": 2,
    "num_heads": 3,
    "num_classes": 20,
}
VARIANTS: dict[str, Callable[[], VisionTransformer]] = {
    "deit": lambda: VisionTransformer(**SMALL),
    "distilled": lambda: VisionTransformerDistilled(**SMALL),
    "register tokens": lambda: VisionTransformer(**SMALL, reg_tokens=4),
    "class token without position": lambda: VisionTransformer(
        **SMALL, reg_tokens=2, no_embed_class=True
    ),
    "mean of tokens": lambda: VisionTransformer(**SMALL, class_token=False, global_pool="avg"),
    "mean with prefix": lambda: VisionTransformer(
        **SMALL, global_pool="avg", pool_include_prefix=True
    ),
    "norm before mean": lambda: VisionTransformer(
        **SMALL, class_token=False, global_pool="avg", fc_norm=False
    ),
    "layer scale": lambda: VisionTransformer(**SMALL, init_values=0.1),
    "norm before blocks": lambda: VisionTransformer(**SMALL, pre_norm=True),
    "no position": lambda: VisionTransformer(**SMALL, pos_embed="none"),
    "no qkv bias": lambda: VisionTransformer(**SMALL, qkv_bias=False),
    "ReLU": lambda: VisionTransformer(**SMALL, act_layer=nn.ReLU),
    "quick GELU": lambda: VisionTransformer(**SMALL, act_layer="quick_gelu"),
    "one channel, whole patches only": lambda: VisionTransformer(
        **{**SMALL, "img_size": 35}, in_chans=1
    ),
}


def loaded_model(model: VisionTransformer, seed: int = 0) -> LoadedModel:
    initialize(model, seed)
    channels = model.in_chans
    return LoadedModel(
        model.eval(), "test", "random", (0.5,) * channels, (0.25,) * channels, random=True
    )


def images_for(loaded: LoadedModel, count: int = 24) -> Tensor:
    channels, height, width = loaded.image_shape
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(count, channels, 4, 4, generator=generator)
    return nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")


def real_logits(network: Network, images: Tensor) -> np.ndarray:
    patches = reference.quantize_image(network.image, images.numpy())
    return reference.logits(network, patches) * network.tensors[network.output].scales[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_integer_logits_follow_the_float_model(variant: str, tmp_path: Path) -> None:
    loaded = loaded_model(VARIANTS[variant]())
    images = images_for(loaded)
    save_network(quantize(loaded, images[:16]), tmp_path)
    network = load_network(tmp_path)
    with torch.no_grad():
        expected = loaded.model(normalize(loaded, images)).numpy()
    actual = real_logits(network, images)
    error = np.sqrt(np.mean((actual - expected) ** 2)) / expected.std()
    correlation = np.corrcoef(
        (actual - actual.mean(0)).ravel(), (expected - expected.mean(0)).ravel()
    )[0, 1]
    assert error < 0.08
    assert correlation > 0.985


@pytest.fixture(scope="module")
def small() -> tuple[LoadedModel, Network]:
    loaded = loaded_model(VARIANTS["deit"]())
    return loaded, quantize(loaded, images_for(loaded), (8, 16))


def test_linear_operations_carry_module_paths_and_block_shape(
    small: tuple[LoadedModel, Network],
) -> None:
    loaded, network = small
    linears = {op.name: op for op in network.ops if isinstance(op, Linear)}
    modules = {
        name for name, m in loaded.model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)
    }
    assert linears.keys() == modules
    assert {op.block_shape for op in linears.values()} == {(8, 16)}
    assert all(op.output == op.name for op in network.ops)


def test_residual_stream_has_one_scale(small: tuple[LoadedModel, Network]) -> None:
    _, network = small
    stream = [
        spec
        for name, spec in network.tensors.items()
        if name.endswith((".add1", ".add2", ".attn.proj", ".fc2", "embed", "patch_embed.proj"))
    ]
    assert {(spec.bits, spec.scales) for spec in stream} == {(16, stream[0].scales)}


def test_same_model_and_images_give_the_same_network(small: tuple[LoadedModel, Network]) -> None:
    loaded, network = small
    again = quantize(loaded, images_for(loaded), (8, 16))
    assert again.ops == network.ops
    assert again.tensors == network.tensors
    assert all(np.array_equal(again.params[name], network.params[name]) for name in again.params)


def test_info_says_where_weights_and_images_come_from(small: tuple[LoadedModel, Network]) -> None:
    _, network = small
    assert network.info["weights_source"] == "random"
    assert network.info["random"] is True
    assert network.info["calibration"] == "24 images: given images"


def test_zero_blocks_stay_zero_and_results_still_follow() -> None:
    loaded = loaded_model(VARIANTS["deit"]())
    generator = torch.Generator().manual_seed(0)
    masks: dict[str, Tensor] = {}
    for name, module in loaded.model.named_modules():
        if isinstance(module, nn.Linear) and name.startswith("blocks"):
            out, features = module.weight.shape
            kept = torch.rand(out // 16, features // 16, generator=generator) < 0.5
            masks[name] = kept.repeat_interleave(16, 0).repeat_interleave(16, 1)
            module.weight.data *= masks[name]
    images = images_for(loaded)
    network = quantize(loaded, images)
    for name, mask in masks.items():
        assert not network.params[f"{name}.weight"][~mask.numpy()].any()
    with torch.no_grad():
        expected = loaded.model(normalize(loaded, images)).numpy()
    assert np.std(real_logits(network, images) - expected) < 0.08 * expected.std()


def test_empty_layers_and_features_still_quantize() -> None:
    loaded = loaded_model(VARIANTS["layer scale"]())
    block = loaded.model.blocks[0]
    for layer in (block.attn.qkv, block.attn.proj, block.mlp.fc1):
        layer.weight.data.zero_()
        layer.bias.data.zero_()
    loaded.model.blocks[1].mlp.fc2.weight.data[:, :32] = 0
    loaded.model.blocks[1].norm1.weight.data[:5] = 0
    images = images_for(loaded)
    network = quantize(loaded, images)
    with torch.no_grad():
        expected = loaded.model(normalize(loaded, images)).numpy()
    assert np.std(real_logits(network, images) - expected) < 0.08 * expected.std()


def test_observing_leaves_no_hooks(small: tuple[LoadedModel, Network]) -> None:
    loaded, _ = small
    observe(loaded.model, normalize(loaded, images_for(loaded)))
    assert not any(module._forward_hooks for module in loaded.model.modules())


def test_channel_without_weights_gives_its_bias() -> None:
    real = RealLinear(np.zeros((2, 4)), np.array([1.5, -700.0]))
    params = linear_params("fc", real, 0.02, 0.1)
    acc = reference.integer.exact_matmul(np.ones((1, 4), np.int8), params["weight"].T)
    y = reference.integer.requantize(acc, params["bias"], params["mult"], params["shift"], 16)
    assert y.tolist() == [[15, -7000]]


def test_large_bias_on_small_weights_keeps_accumulators_in_range() -> None:
    real = RealLinear(np.full((1, 4), 1e-9), np.array([5.0]))
    params = linear_params("fc", real, 1e-3, 0.1)
    worst = 4 * 128 * 127 + abs(int(params["bias"][0]))
    assert worst < 2**31
    y = reference.integer.requantize([0], params["bias"], params["mult"], params["shift"], 16)
    assert y.tolist() == [50]


def test_layer_too_deep_for_the_accumulator_is_refused() -> None:
    with pytest.raises(UserError, match="fc: 70000 input features may overflow"):
        linear_params("fc", RealLinear(np.ones((1, 70000)), np.zeros(1)), 1.0, 1.0)


def site_of(rows: np.ndarray) -> Site:
    channels = np.tile(np.arange(rows.shape[1]), len(rows))
    return Site(rows.min(0), rows.max(0), rows.mean(0), rows.ravel(), channels)


def test_smoothing_does_not_change_the_function() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 6)) * [1, 100, 0.01, 3, 0, 1] + [0, 5, -70, 0, 2, 0]
    real = RealLinear(rng.normal(size=(4, 6)) * [1, 1, 1, 0, 1, 1e-9], rng.normal(size=4))
    smoothing = Smoothing.between(site_of(rows), real)
    smoothed = smoothing.consumer(real)
    inputs = (rows - smoothing.shift) / smoothing.factor
    np.testing.assert_allclose(
        inputs @ smoothed.weight.T + smoothed.bias, rows @ real.weight.T + real.bias
    )


def test_smoothing_of_attention_keeps_the_scores() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(9, 12)) * np.geomspace(0.1, 10, 12) + 3  # 2 heads of 2 features
    values = Smoothing(rng.normal(size=4), np.full(4, 2.0))
    smoothing = Smoothing.attention(site_of(rows), 2, values)
    smooth = (rows - smoothing.shift) / smoothing.factor
    for head in (slice(0, 2), slice(2, 4)):
        keys = slice(head.start + 4, head.stop + 4)
        before = rows[:, head] @ rows[:, keys].T
        after = smooth[:, head] @ smooth[:, keys].T
        difference = before - after  # constant along a row, which softmax ignores
        np.testing.assert_allclose(difference, difference[:, :1].repeat(9, 1))


@pytest.mark.parametrize("activation", [nn.GELU(), nn.GELU(approximate="tanh"), nn.ReLU()])
def test_table_follows_the_activation_within_a_step(activation: nn.Module) -> None:
    x = np.random.default_rng(2).normal(size=5000) * 2
    table = fit_table(activation, x)
    levels = np.clip(np.floor((x - table.center_in) / table.scale_in + 0.5), -128, 127)
    y = table.entries[levels.astype(int) + 128] * table.scale_out + table.center_out
    wanted = activation(torch.from_numpy(x)).numpy()
    assert np.sqrt(np.mean((y - wanted) ** 2)) < 0.02 * wanted.std()


def test_table_of_a_constant_input_exists() -> None:
    table = fit_table(nn.GELU(), np.zeros(10))
    assert table.entries.shape == (256,)


def test_softmax_and_norms_use_the_int8_range(small: tuple[LoadedModel, Network]) -> None:
    loaded, network = small
    patches = reference.quantize_image(network.image, images_for(loaded).numpy())
    tensors = reference.execute(network, patches)
    for op in network.ops:
        if isinstance(op, Softmax | LayerNorm):
            assert np.abs(tensors[op.output]).max() > 60


@pytest.fixture(scope="module")
def demo() -> tuple[LoadedModel, Network]:
    loaded = load_model("demo")
    return loaded, quantize(loaded, calibration_images(loaded))


def test_demo_loses_at_most_half_a_point(demo: tuple[LoadedModel, Network]) -> None:
    loaded, network = demo
    result = measure(loaded, network, load_test_set(loaded))
    assert result.images == 1000
    assert result.float_top1 is not None
    assert result.int8_top1 is not None
    assert result.int8_top1 >= result.float_top1 - 0.005


def test_accuracy_counts_a_limited_choice(demo: tuple[LoadedModel, Network]) -> None:
    loaded, _ = demo
    result = measure(loaded, None, load_test_set(loaded), limit=40)
    assert (result.images, result.int8_top1) == (40, None)


def test_damaged_test_set_is_refused(demo: tuple[LoadedModel, Network], tmp_path: Path) -> None:
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    with pytest.raises(UserError, match="t10k-images-idx3-ubyte"):
        load_test_set(demo[0], tmp_path)
