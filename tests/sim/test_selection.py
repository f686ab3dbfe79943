"""Token selections in the reference: what they leave, and images that keep different numbers."""

import numpy as np
import pytest

from hw.ir import (
    Add,
    Attend,
    ImageSpec,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    Softmax,
    TensorSpec,
    TokenSelect,
)
from sim.reference import execute, fill_up, live_counts, logits, run

TOKENS, WIDTH, HEADS = 9, 4, 2


def selecting(threshold: int = 127, selections: int = 2, attention: bool = False) -> Network:
    """Patches, one linear layer, then selections by two of its kind each, and a mean."""
    rng = np.random.default_rng(3)
    params: dict[str, np.ndarray] = {}
    ops: list[Op] = []
    tensors = {Network.INPUT: TensorSpec(TOKENS, WIDTH)}

    def linear(name: str, source: str, features: int, bits: int, **op: int) -> None:
        params[f"{name}.weight"] = rng.integers(-99, 99, (features, WIDTH)).astype(np.int8)
        params[f"{name}.bias"] = np.zeros(features, np.int32)
        params[f"{name}.mult"] = np.full(features, 1 << 15, np.uint16)
        params[f"{name}.shift"] = np.full(features, 15 if bits == 16 else 22, np.uint8)
        ops.append(Linear(name, 0, (source,), name))
        tensors[name] = TensorSpec(TOKENS, features, bits, **op)

    def votes(name: str, source: str) -> None:
        linear(name, source, HEADS, 16)
        op = ops.pop()
        params[f"{name}.table"] = rng.integers(0, 128, 256).astype(np.int8)
        params[f"{name}.shift"] = np.full(HEADS, 22, np.uint8)
        ops.append(Linear(name, 0, op.inputs, name, gelu=True))

    linear("x", Network.INPUT, WIDTH, 16)
    stream = "x"
    for number in range(selections):
        name = f"select{number}"
        votes(f"{name}.keep", Network.INPUT if number == 0 else "again")
        votes(f"{name}.heads", Network.INPUT if number == 0 else "again")
        after = f"select{number - 1}" if number else ""
        inputs = (stream, f"{name}.keep", f"{name}.heads")
        ops.append(TokenSelect(name, 0, inputs, name, threshold, 1, after))
        tensors[name] = TensorSpec(TOKENS, WIDTH, 16)
        stream = name
        if number == 0:
            ops.append(Add("again", 0, (name, name), "again"))
            tensors["again"] = TensorSpec(TOKENS, WIDTH)
    if attention:
        linear("qkv", "again", 3 * WIDTH, 8, groups=6)
        factor = {"heads": HEADS, "mult": (1, 1), "shift": (0, 0)}
        ops.append(Scores("scores", 0, ("qkv",), "scores", **factor))
        tensors["scores"] = TensorSpec(TOKENS, HEADS * TOKENS, 16, groups=HEADS)
        ops.append(Softmax("softmax", 0, ("scores",), "softmax", probability_mult=127 << 12))
        tensors["softmax"] = TensorSpec(TOKENS, HEADS * TOKENS, groups=HEADS)
        ops.append(Attend("attend", 0, ("softmax", "qkv"), "attend", **factor))
        tensors["attend"] = TensorSpec(TOKENS, WIDTH, groups=HEADS)
    ops.append(MeanTokens("mean", 0, (stream,), "mean", start=1))
    tensors["mean"] = TensorSpec(1, WIDTH, 16)
    image = ImageSpec(1, TOKENS, WIDTH, 1, 1.0, (0.0,), (1.0,))
    network = Network("test", image, ops, tensors, params)
    network.validate()
    return network


def patches(*batch: int) -> np.ndarray:
    return np.random.default_rng(7).integers(-99, 99, (*batch, TOKENS, WIDTH)).astype(np.int8)


def test_all_kept_leaves_every_token_and_no_package() -> None:
    found = run(selecting(threshold=0), patches())
    np.testing.assert_array_equal(found.tensors["select1"], found.tensors["x"])
    assert live_counts(found.selections[0]) == {"select0": TOKENS, "select1": TOKENS}
    assert not any(selection.package for selection in found.selections[0].values())


def test_all_dropped_leaves_the_prefix_and_the_package() -> None:
    found = run(selecting(threshold=255), patches())
    assert live_counts(found.selections[0]) == {"select0": 2, "select1": 2}
    x = found.tensors["x"]
    np.testing.assert_array_equal(found.tensors["select0"][0], x[0])
    scores = found.selections[0]["select0"].scores[1:]
    exact = scores @ x[1:].astype(float) / scores.sum()
    np.testing.assert_allclose(found.tensors["select0"][1], exact, atol=3)


def test_package_is_alone_in_the_next_package_when_nothing_else_is_dropped() -> None:
    found = run(selecting(threshold=255), patches())
    np.testing.assert_array_equal(found.tensors["select1"], found.tensors["select0"])
    assert found.selections[0]["select1"].kept.tolist() == [True, False]


def test_record_counts_the_tokens_of_the_tensors() -> None:
    found = run(selecting(), patches())
    first, second = found.selections[0].values()
    assert first.tokens_in == TOKENS
    assert first.tokens_out == second.tokens_in == len(found.tensors["select0"])
    assert second.tokens_out == len(found.tensors["select1"])
    assert first.tokens_kept < TOKENS
    assert second.tokens_kept < first.tokens_kept


@pytest.mark.parametrize("attention", [False, True])
def test_ragged_batch_gives_each_image_the_tensors_of_a_run_alone(attention: bool) -> None:
    network = selecting(attention=attention, selections=1 + (not attention))
    images = patches(2, 3)
    together = run(network, images)
    assert len({selections["select0"].tokens_out for selections in together.selections}) > 1
    for number, index in enumerate(np.ndindex(2, 3)):
        alone = run(network, images[index])
        assert together.tensors.keys() == alone.tensors.keys() == network.tensors.keys()
        assert live_counts(together.selections[number]) == live_counts(alone.selections[0])
        for name, array in alone.tensors.items():
            full = fill_up(array, network.tensors[name])
            assert together.tensors[name].dtype == array.dtype
            np.testing.assert_array_equal(together.tensors[name][index], full)


def test_scores_are_filled_up_group_by_group() -> None:
    x = np.arange(1, 9, dtype=np.int16).reshape(2, 4)
    filled = fill_up(x, TensorSpec(3, 6, 16, groups=2))
    assert filled.tolist() == [[1, 2, 0, 3, 4, 0], [5, 6, 0, 7, 8, 0], [0] * 6]


def test_kept_tensors_of_a_ragged_batch_equal_those_of_a_full_run() -> None:
    network, images = selecting(), patches(4)
    full = run(network, images).tensors
    kept = run(network, images, keep=("x", "select0", "mean")).tensors
    assert kept.keys() == {"x", "select0", "mean"}
    for name, array in kept.items():
        np.testing.assert_array_equal(array, full[name])


def test_logits_of_a_ragged_batch_are_those_of_the_images() -> None:
    network, images = selecting(), patches(5)
    alone = [execute(network, image)["mean"][0] for image in images]
    np.testing.assert_array_equal(logits(network, images, batch=3), alone)
