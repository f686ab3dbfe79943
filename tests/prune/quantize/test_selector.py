"""Token selectors as integers: they keep the tokens that the float model keeps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from hw.ir import Linear, MeanTokens, Network, TokenSelect
from prune.accuracy import load_test_set, measure
from prune.data import calibration_images
from prune.models import LoadedModel, load_model
from prune.models.initialize import initialize
from prune.quantize import normalize, quantize
from prune.quantize.observe import observe
from prune.quantize.selector import block_diagonal, pooled
from prune.quantize.table import fit_sigmoid
from prune.tokens import attach_, recording
from prune.tokens.access import selectors_of
from prune.tokens.selector import HeadLinear
from sim import reference
from tests.prune.tokens.small import decide_by_noise_

SIZES = {
    "img_size": 32,
    "patch_size": 4,
    "embed_dim": 96,
    "depth": 4,
    "num_heads": 3,
    "num_classes": 10,
}
VARIANTS: dict[str, Callable[[], VisionTransformer]] = {
    "deit": lambda: VisionTransformer(**SIZES),
    "distilled": lambda: VisionTransformerDistilled(**SIZES),
    "registers and mean": lambda: VisionTransformer(**SIZES, reg_tokens=2, global_pool="avg"),
    "norm before mean": lambda: VisionTransformer(
        **SIZES, class_token=False, global_pool="avg", fc_norm=False
    ),
}
POSITIONS = (1, 2, 3)


def selected(variant: str, positions: tuple[int, ...] = POSITIONS) -> tuple[LoadedModel, Tensor]:
    """A model with selectors that each keep about 60 % of the patches before it, and 24 images."""
    model = VARIANTS[variant]()
    initialize(model, 0)
    torch.manual_seed(0)  # of fresh selectors
    loaded = LoadedModel(
        attach_(model.eval(), positions), variant, "random", (0.5,) * 3, (0.25,) * 3, random=True
    )
    coarse = torch.rand(24, 3, 5, 5, generator=torch.Generator().manual_seed(4))
    images = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    _keep(loaded, images, 0.6)
    return loaded, images


@torch.no_grad()
def _keep(loaded: LoadedModel, pixels: Tensor, share: float) -> None:
    """Let every selector keep a share of the patches before it, chosen by noise."""
    with recording(loaded.model) as record:
        for block, selector in selectors_of(loaded.model).items():
            decide_by_noise_(selector)
            loaded.model(normalize(loaded, pixels))
            scores = record[block].scores
            selector.threshold = _between(scores[scores > 0].sort().values, 1 - share)


def _between(ordered: Tensor, share: float) -> float:
    """About the quantile, and as far from every score as there: rounding decides no token."""
    near = ordered[round(share * len(ordered)) - 8 :][:17]
    gap = int(near.diff().argmax())
    return float(near[gap : gap + 2].mean())


def run(network: Network, images: Tensor) -> reference.Run:
    patches = reference.quantize_image(network.image, images.numpy())
    return reference.run(network, patches, keep=(network.output,))


@pytest.fixture(scope="module")
def deit() -> tuple[LoadedModel, Tensor, Network]:
    loaded, images = selected("deit")
    return loaded, images, quantize(loaded, images[:16])


@pytest.mark.parametrize("variant", VARIANTS)
def test_integer_selectors_keep_nearly_the_same_tokens(variant: str) -> None:
    loaded, images = selected(variant)
    network = quantize(loaded, images[:16])
    with torch.no_grad(), recording(loaded.model) as record:
        expected = loaded.model(normalize(loaded, images)).numpy()
    found = run(network, images)
    prefix = loaded.compilable().num_prefix_tokens
    kept = np.stack([s["selectors.1.select"].kept[prefix:] for s in found.selections])
    agree = kept == (record[1].keep.numpy() > 0)
    assert agree.mean() > 0.97
    same = agree.all(axis=1)
    for block in POSITIONS:
        tokens = record[block].tokens.numpy()
        counts = np.array([s[f"selectors.{block}.select"].tokens_out for s in found.selections])
        assert counts.mean() == pytest.approx(float(tokens.mean()), rel=0.05)
        same &= counts == tokens
    # A token more or less changes the answer of a random network.
    logits = found.tensors[network.output][:, 0]
    assert np.corrcoef(logits[same].ravel(), expected[same].ravel())[0, 1] > 0.99
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.9


def test_integer_scores_are_those_of_the_float_model(
    deit: tuple[LoadedModel, Tensor, Network],
) -> None:
    loaded, images, network = deit
    with torch.no_grad(), recording(loaded.model) as record:
        loaded.model(normalize(loaded, images))
    found = [s["selectors.1.select"].scores[1:] / 254 for s in run(network, images).selections]
    expected = record[1].scores.numpy()
    assert np.abs(np.stack(found) - expected).mean() < 0.1 * expected.std()


def test_operations_of_a_selector_stand_before_its_block(
    deit: tuple[LoadedModel, Tensor, Network],
) -> None:
    names = [op.name for op in deit[2].ops]
    start = names.index("selectors.2.norm")
    parts = (
        *("norm", "heads1", "local", "mean", "norm_mean", "common"),
        *("mix", "squeeze", "keep", "heads2", "select"),
    )
    assert names[start : start + 11] == [f"selectors.2.{part}" for part in parts]
    assert names[start - 1], names[start + 11] == ("blocks.1.add2", "blocks.2.norm1")


def test_each_selection_knows_the_one_before() -> None:
    loaded, images = selected("distilled", (0, 2))
    first, second = (op for op in quantize(loaded, images[:2]).ops if isinstance(op, TokenSelect))
    assert (first.after, second.after) == ("", first.name)
    assert (first.prefix, second.prefix) == (2, 2)
    assert [op.threshold for op in (first, second)] == [
        round(254 * selector.threshold) for selector in selectors_of(loaded.model).values()
    ]


def test_every_tensor_can_hold_all_tokens(deit: tuple[LoadedModel, Tensor, Network]) -> None:
    network = deit[2]
    by_mean = {op.output for op in network.ops if isinstance(op, MeanTokens)}
    alone = {"selectors.1.norm_mean", "selectors.1.common", "selectors.1.mean"}
    for op in network.ops:
        if op.block == 1 and op.name not in alone | by_mean:
            assert network.tensors[op.output].tokens == 65, op.name


def test_selectors_are_seen_with_live_tokens_alone() -> None:
    loaded, images = selected("deit")
    model, seen = loaded.compilable(), []
    hook = model.selectors["3"].local.register_forward_hook(
        lambda _, inputs, output: seen.append(inputs[0].flatten(0, 1).flatten(1))
    )
    sites = observe(model, normalize(loaded, images))
    hook.remove()
    with torch.no_grad(), recording(model) as record:
        model(normalize(loaded, images))
    # All live ones behind the class token, the package token included.
    assert sum(map(len, seen)) == int((record[2].tokens - 1).sum())
    expected = torch.cat(seen).double().mean(dim=0).numpy()
    np.testing.assert_allclose(sites["selectors.3.local.in"].mean, expected, atol=1e-5)


def test_heads_stay_apart_in_one_matrix() -> None:
    layer, x = HeadLinear(3, 4, 2), torch.randn(1, 5, 3, 4)
    real = block_diagonal(layer)
    expected = layer(x).flatten(-2)[0].detach().numpy()
    np.testing.assert_allclose(
        x.flatten(-2)[0].numpy() @ real.weight.T + real.bias, expected, atol=1e-6
    )


def test_pooling_is_part_of_the_weights() -> None:
    layer, x = torch.nn.Linear(3, 2), torch.randn(5, 3, 4)
    real = pooled(layer, 4)
    expected = layer(x.mean(dim=-1)).detach().numpy()
    np.testing.assert_allclose(
        x.flatten(-2).numpy() @ real.weight.T + real.bias, expected, atol=1e-6
    )


@pytest.mark.parametrize("center", [-9.0, 0.0, 9.0])
def test_logistic_table_is_within_two_steps_and_above_its_least(center: float) -> None:
    x = np.random.default_rng(0).normal(size=5000) * 3 + center
    table = fit_sigmoid(x, least=1)
    levels = np.clip(np.floor((x - table.center_in) / table.scale_in + 0.5), -128, 127)
    found = table.entries[levels.astype(int) + 128]
    assert found.min() >= 1
    assert np.abs(found - 127 / (1 + np.exp(-x))).mean() < 1
    assert all(a <= b for a, b in pairwise(table.entries.tolist()))


def test_selectors_have_no_zeros_less_than_their_heads(
    deit: tuple[LoadedModel, Tensor, Network],
) -> None:
    network = deit[2]
    for op in network.ops:
        if isinstance(op, Linear) and op.name in ("selectors.1.local", "selectors.1.squeeze"):
            weight = network.param(op, "weight")
            share = np.count_nonzero(weight) / weight.size
            assert 0.3 < share <= 1 / 3


@pytest.mark.slow
def test_demo_that_drops_tokens_loses_at_most_three_tenths_of_a_point() -> None:
    loaded = load_model("demo")
    calibration = calibration_images(loaded)
    torch.manual_seed(0)
    attach_(loaded.model, [1, 3])
    _keep(loaded, calibration[:64], 0.8)
    network = quantize(loaded, calibration)
    found = measure(loaded, network, load_test_set(loaded))
    assert found.float_top1 is not None and found.int8_top1 is not None
    assert found.float_top1 > 0.8  # with tokens dropped at random
    assert found.int8_top1 >= found.float_top1 - 0.003
