"""The reference: what each operation stands for, and batches."""

import numpy as np
import pytest

from hw.ir import (
    Add,
    Attend,
    Embed,
    ImageSpec,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TensorSpec,
)
from sim.reference import execute, execute_op, logits, quantize_image, top1

IMAGE = ImageSpec(2, 4, 6, 2, 0.5, (0.5, 0.0), (0.25, 1.0))


def network_of(
    *ops: Op, params: dict[str, np.ndarray] | None = None, **tensors: TensorSpec
) -> Network:
    return Network("test", IMAGE, list(ops), tensors, params or {})


def linear(
    name: str, source: str, weight: np.ndarray, **changes: np.ndarray
) -> dict[str, np.ndarray]:
    out = len(weight)
    params = {
        "weight": weight.astype(np.int8),
        "bias": np.zeros(out, np.int32),
        "mult": np.ones(out, np.uint16),
        "shift": np.zeros(out, np.uint8),
        **changes,
    }
    return {f"{name}.{suffix}": array for suffix, array in params.items()}


def test_patches_hold_channel_then_row_then_column() -> None:
    pixels = np.zeros((2, 4, 6))
    pixels[1] = np.arange(24).reshape(4, 6) / 24  # channel 1 has mean 0 and deviation 1
    spec = ImageSpec(2, 4, 6, 2, 1 / 24, (0.0, 0.0), (1.0, 1.0))
    patches = quantize_image(spec, pixels)
    assert patches.shape == (6, 8)
    assert patches[1].tolist() == [0, 0, 0, 0, 2, 3, 8, 9]
    assert patches[3].tolist() == [0, 0, 0, 0, 12, 13, 18, 19]


def test_pixels_are_normalized_rounded_half_up_and_saturated() -> None:
    spec = ImageSpec(1, 1, 4, 1, 1 / 64, (0.5,), (0.5,))
    half = 1 / 256  # of a level
    pixels = np.array([0.5, 0.5 + half, 0.5 - half, 1.0]).reshape(1, 1, 4)
    assert quantize_image(spec, pixels)[:, 0].tolist() == [0, 1, 0, 64]
    coarse = ImageSpec(1, 1, 2, 1, 0.001, (0.5,), (0.5,))
    extremes = quantize_image(coarse, np.array([[[0.0, 1.0]]]))
    assert extremes[:, 0].tolist() == [-128, 127]


def test_pixels_beyond_the_last_whole_patch_are_dropped() -> None:
    spec = ImageSpec(1, 5, 7, 2, 0.5, (0.0,), (1.0,))
    assert quantize_image(spec, np.ones((3, 1, 5, 7))).shape == (3, 6, 4)


def test_linear_multiplies_by_the_transposed_weight() -> None:
    weight = np.array([[1, 2], [3, 4], [5, 6]])
    op = Linear("fc", 0, ("x",), "y")
    network = network_of(op, params=linear("fc", "x", weight), y=TensorSpec(1, 3, 16))
    y = execute_op(network, op, np.array([[1, 10]], np.int8))
    assert y.dtype == np.int16
    assert y.tolist() == [[21, 43, 65]]


def test_table_is_looked_up_after_requantization() -> None:
    op = Linear("fc", 0, ("x",), "y", gelu=True)
    table = np.arange(-128, 128)[::-1].astype(np.int8)
    params = linear("fc", "x", np.array([[100]]), table=table)
    network = network_of(op, params=params, y=TensorSpec(1, 1, 8))
    assert execute_op(network, op, np.array([[2], [-1]], np.int8)).tolist() == [[-128], [99]]


def qkv_groups() -> np.ndarray:
    """2 tokens of 2 heads: groups q0 q1 k0 k1 v0 v1 of 1 feature."""
    return np.array([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]], np.int8)


def test_scores_pair_queries_and_keys_of_a_head() -> None:
    op = Scores("s", 0, ("qkv",), "s", heads=2, mult=(1, 2), shift=(0, 1))
    network = network_of(op, s=TensorSpec(2, 4, 16, groups=2))
    # Head 0: q (1, 7) by k (3, 9); head 1, times 2/2: q (2, 8) by k (4, 10).
    assert execute_op(network, op, qkv_groups()).tolist() == [[3, 9, 8, 20], [21, 63, 32, 80]]


def test_attend_mixes_the_values_of_a_head() -> None:
    op = Attend("a", 0, ("p", "qkv"), "a", heads=2, mult=(1, 1), shift=(0, 0))
    network = network_of(op, a=TensorSpec(2, 2, 8, groups=2))
    shares = np.array([[1, 2, 0, 1], [0, 1, 3, 0]], np.int8)
    # Head 0: v (5, 11); head 1: v (6, 12).
    assert execute_op(network, op, shares, qkv_groups()).tolist() == [[27, 12], [11, 18]]


def test_softmax_normalizes_every_group_alone() -> None:
    op = Softmax("p", 0, ("s",), "p", probability_mult=127 << 12)
    network = network_of(op, p=TensorSpec(1, 4, 8, groups=2))
    x = np.array([[0, 0, -5000, 20000]], np.int16)
    assert execute_op(network, op, x).tolist() == [[64, 64, 0, 127]]


def test_embedding_puts_prefix_tokens_first() -> None:
    op = Embed("embed", -1, ("x",), "e")
    params = {
        "embed.prefix": np.array([[100]], np.int16),
        "embed.position": np.array([[0], [1], [2]], np.int16),
    }
    network = network_of(op, params=params, e=TensorSpec(3, 1, 16))
    x = np.array([[[10], [20]], [[30], [40]]], np.int16)
    assert execute_op(network, op, x).tolist() == [[[100], [11], [22]], [[100], [31], [42]]]


def test_layernorm_width_follows_the_output_tensor() -> None:
    op = LayerNorm("norm", 0, ("x",), "y", shift=0)
    params = {"norm.gain": np.full(2, 10, np.int16), "norm.offset": np.zeros(2, np.int32)}
    x = np.array([[-1000, 1000]], np.int16)
    narrow = network_of(op, params=params, y=TensorSpec(1, 2, 8))
    wide = network_of(op, params=params, y=TensorSpec(1, 2, 16))
    assert execute_op(narrow, op, x).tolist() == [[-128, 127]]
    assert execute_op(wide, op, x)[0, 1] == 32767


def test_mean_starts_at_its_token() -> None:
    op = MeanTokens("mean", -1, ("x",), "m", start=1)
    network = network_of(op, m=TensorSpec(1, 1, 16))
    assert execute_op(network, op, np.array([[99], [3], [5]], np.int16)).tolist() == [[4]]


@pytest.fixture
def classifier() -> Network:
    """Two patches to three logits, by way of every token operation."""
    rng = np.random.default_rng(5)
    ops: list[Op] = [
        Linear("fc", 0, (Network.INPUT,), "fc"),
        Add("add", 0, ("fc", "fc"), "add"),
        SelectToken("select", -1, ("add",), "select", index=1),
    ]
    params = linear("fc", Network.INPUT, rng.integers(-127, 128, (3, 8)))
    tensors = {
        Network.INPUT: TensorSpec(6, 8, 8),
        "fc": TensorSpec(6, 3, 16),
        "add": TensorSpec(6, 3, 16),
        "select": TensorSpec(1, 3, 16),
    }
    return Network("test", IMAGE, ops, tensors, params)


def random_patches(*batch: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, (*batch, 6, 8)).astype(np.int8)


def test_batch_gives_each_image_the_tensors_of_a_run_alone(classifier: Network) -> None:
    patches = random_patches(2, 3)
    together = execute(classifier, patches)
    alone = execute(classifier, patches[1, 2])
    assert together.keys() == alone.keys() == classifier.tensors.keys()
    for name, array in alone.items():
        assert together[name].dtype == array.dtype
        np.testing.assert_array_equal(together[name][1, 2], array)


def test_kept_tensors_equal_those_of_a_full_run(classifier: Network) -> None:
    patches = random_patches(2)
    full = execute(classifier, patches)
    kept = execute(classifier, patches, keep=("fc", "select"))
    assert kept.keys() == {"fc", "select"}
    np.testing.assert_array_equal(kept["fc"], full["fc"])


def test_features_common_to_all_tokens_follow_those_of_each() -> None:
    op = Linear("fc", 0, ("x", "c"), "y")
    params = linear("fc", "x", np.array([[1, 10, 100], [0, 0, -1]]))
    network = network_of(op, params=params, y=TensorSpec(2, 2, 16))
    x, common = np.array([[1, 2], [3, 4]], np.int8), np.array([[5]], np.int8)
    assert execute_op(network, op, x, common).tolist() == [[521, -5], [543, -5]]


def test_sixteen_bits_behind_a_table_are_its_entries() -> None:
    op = Linear("fc", 0, ("x",), "y", gelu=True)
    table = np.arange(-128, 128).astype(np.int8)
    params = linear("fc", "x", np.array([[100]]), table=table)
    network = network_of(op, params=params, y=TensorSpec(1, 1, 16))
    y = execute_op(network, op, np.array([[2], [-1]], np.int8))
    assert y.dtype == np.int16
    assert y.tolist() == [[127], [-100]]  # saturated to 8 bits before the table


def test_top1_is_the_largest_logit_of_each_image(classifier: Network) -> None:
    patches = random_patches(5)
    expected = execute(classifier, patches)["select"][:, 0]
    np.testing.assert_array_equal(logits(classifier, patches, batch=2), expected)
    np.testing.assert_array_equal(top1(classifier, patches), expected.argmax(-1))
