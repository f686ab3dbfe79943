"""Pruned weights in a plain timm model: `prune.apply`, `prune.load_pruned`, the command."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import prune
from hw.artifacts import read_json, write_json
from hw.cli import run_app
from hw.errors import UserError
from prune.cli import app
from prune.run_folder import FORMAT_VERSION
from tests.support import Call

TIMM = "vit_small_patch14_dinov2"
SIZES = {"img_size": 28, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5}
MODEL = f"{TIMM}:{','.join(f'{key}={value}' for key, value in SIZES.items())},init_values=0.0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, without the network: half of all blocks of 16 x 16 removed."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    state = timm.create_model(TIMM, **SIZES, init_values=0.0).state_dict()
    masks = {}
    for name in ("blocks.0.attn.qkv", "patch_embed.proj"):
        weight = state[f"{name}.weight"]
        rows, cols = -(-weight.shape[0] // 16), -(-weight[0].numel() // 16)
        keep = torch.arange(rows * cols).view(rows, cols) % 2 == 0
        dead = ~keep.repeat_interleave(16, 0).repeat_interleave(16, 1)
        weight.flatten(1)[dead[: weight.shape[0], : weight[0].numel()]] = 0
        masks[name] = keep
    save_file(state, folder / "pruned.safetensors")
    save_file(masks, folder / "masks.safetensors")
    write_json(
        folder / "pruned.json", {"format": FORMAT_VERSION, "model": MODEL, "block": [16, 16]}
    )
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The run again, to be spoiled."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def same_weights(model: torch.nn.Module, run: Path) -> bool:
    state = load_file(run / "pruned.safetensors")
    mine = model.state_dict()
    return mine.keys() == state.keys() and all(torch.equal(mine[key], state[key]) for key in state)


def test_apply_fills_a_model_of_timm(run: Path) -> None:
    model = timm.create_model(TIMM, **SIZES, init_values=0.0)
    assert prune.apply(model, run) is model
    assert same_weights(model, run)


def test_apply_takes_the_checkpoint_itself(run: Path) -> None:
    model = timm.create_model(TIMM, **SIZES, init_values=0.0)
    assert same_weights(prune.apply(model, run / "pruned.safetensors"), run)


def test_load_pruned_makes_a_model_that_can_be_trained(run: Path) -> None:
    model = prune.load_pruned(run)
    assert same_weights(model, run)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_printed_lines_load_the_written_checkpoint(
    run: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"it's plain.{suffix}"
    with pytest.raises(SystemExit):
        run_app(app, ["apply", str(run), "--out", str(path)])
    zeros, *lines = capsys.readouterr().out.splitlines()
    expected = sum(
        int((load_file(run / "pruned.safetensors")[f"{name}.weight"] == 0).sum())
        for name in ("blocks.0.attn.qkv", "patch_embed.proj")
    )
    assert f" {expected:,} of " in zeros
    scope: dict[str, object] = {"timm": timm}
    exec("\n".join(lines), scope)
    assert isinstance(scope["model"], torch.nn.Module)
    assert same_weights(scope["model"], run)


def test_a_weight_in_a_removed_block_is_refused(copy: Path) -> None:
    state = load_file(copy / "pruned.safetensors")
    state["blocks.0.attn.qkv.weight"][0, 16] = 1e-20
    save_file(state, copy / "pruned.safetensors")
    with pytest.raises(UserError, match=r"1 weights of blocks.0.attn.qkv lie in removed blocks"):
        prune.load_pruned(copy)


def test_masks_of_another_shape_are_refused(copy: Path) -> None:
    report = read_json(copy / "pruned.json")
    write_json(copy / "pruned.json", {**report, "block": [32, 32]})
    with pytest.raises(UserError, match=r"has \(9, 3\) blocks, .* have \(5, 2\)"):
        prune.load_pruned(copy)


def test_masks_of_another_model_are_refused(copy: Path) -> None:
    save_file({"blocks.7.mlp.fc1": torch.ones(1, 1, dtype=torch.bool)}, copy / "masks.safetensors")
    with pytest.raises(UserError, match=r"masks blocks.7.mlp.fc1, which"):
        prune.load_pruned(copy)


def test_another_model_is_refused_and_left_alone(run: Path) -> None:
    model = timm.create_model("deit_tiny_patch16_224", img_size=32, depth=1)
    before = model.head.bias.clone()
    with pytest.raises(UserError, match="VisionTransformer expects"):
        prune.apply(model, run)
    assert torch.equal(model.head.bias, before)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("pruned.safetensors", "pruned.safetensors: no such file"),
        ("masks.safetensors", "expected masks.safetensors"),
        ("pruned.json", "--model"),
    ],
)
def test_a_missing_file_is_one_line(copy: Path, missing: str, named: str, call: Call) -> None:
    (copy / missing).unlink()
    out = copy / "plain.pth"
    status, message = call(app, "apply", copy, "--out", out)
    assert (status, message.count("\n")) == (2, 1)
    assert named in message
    assert not out.exists()


@pytest.mark.parametrize("name", ["plain.onnx", "pruned.safetensors"])
def test_out_that_cannot_be_written_is_refused(copy: Path, name: str, call: Call) -> None:
    status, message = call(app, "apply", copy, "--out", copy / name)
    assert status == 2 and re.match(r"error: --out .*: (expected|is the checkpoint)", message)
