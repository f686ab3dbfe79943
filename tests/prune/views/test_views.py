"""The views of a run: what they show, and that they are written whole, small and alike."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from safetensors.numpy import load_file, save_file

from hw.cli import run_app
from hw.errors import UserError
from prune.cli import app
from prune.run_folder import FORMAT_VERSION
from prune.views import layers, masks, names, sensitivity, write_views
from prune.views.folder import Run, read_run
from tests.support import Call

NAMES = ("patch_embed.proj", "blocks.0.attn.qkv", "blocks.1.attn.qkv", "blocks.1.mlp.fc2", "head")


def fake_run(folder: Path, depth: int, shapes: dict[str, tuple[int, int]], curves: bool) -> Path:
    """A run's folder: random masks, distortion that grows with the square of the blocks gone."""
    random = np.random.default_rng(0)
    kept = {
        name: random.random(shape) < 0.5
        for name, shape in {
            "patch_embed.proj": (4, 4),
            **{
                f"stages.{n}.blocks.{n}.{name}": shape
                for n in range(depth)
                for name, shape in shapes.items()
            },
            "head": (1, 4),
        }.items()
    }
    rows, arrays = [], {}
    for name, mask in kept.items():
        removed = np.arange(mask.size + 1.0)
        arrays[f"{name}.distortion"], arrays[f"{name}.cycles_saved"] = removed**2, 10 * removed
        rows.append(
            {
                "name": name,
                "blocks_total": mask.size,
                "blocks_kept": int(mask.sum()),
                "distortion": float((~mask).sum() ** 2),
                "dense_cycles": 10 * mask.size,
                "predicted_cycles": 10 * int(mask.sum()),
            }
        )
    report = {
        "format": FORMAT_VERSION,
        "model": "some_model:with=overrides,and=more",
        "method": "magnitude",
        "block": [16, 16],
        "layers": rows,
    }
    (folder / "pruned.json").write_text(json.dumps(report))
    save_file(kept, folder / "masks.safetensors")
    if curves:
        save_file(arrays, folder / "curves.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fake_run(
        tmp_path, 5, {"attn.qkv": (12, 4), "mlp.fc1": (16, 4), "mlp.fc2": (4, 16)}, True
    )


@pytest.fixture
def run(folder: Path) -> Run:
    return read_run(folder)


def test_show_prints_every_layer_and_writes_the_views_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run_app(app, ["run", "demo", "--out", str(tmp_path), "--cycles", "0.5", "--images", "4"])
    views = {path: path.read_bytes() for path in (tmp_path / "views").iterdir()}
    shutil.rmtree(tmp_path / "views")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run_app(app, ["show", str(tmp_path)])
    assert {path: path.read_bytes() for path in (tmp_path / "views").iterdir()} == views
    printed = capsys.readouterr().out
    assert all(row["name"] in printed for row in read_run(tmp_path).rows)


def test_a_run_without_curves_has_no_sensitivity(folder: Path) -> None:
    (folder / "curves.safetensors").unlink()
    assert "sensitivity.svg" not in {path.name for path in write_views(folder)}


def test_same_run_gives_the_same_views(folder: Path) -> None:
    first = [path.read_bytes() for path in write_views(folder)]
    assert [path.read_bytes() for path in write_views(folder)] == first


def test_masks_of_a_model_as_large_as_deit_b_stay_under_two_megabytes(tmp_path: Path) -> None:
    shapes = {
        "attn.qkv": (144, 48), "attn.proj": (48, 48), "mlp.fc1": (192, 48), "mlp.fc2": (48, 192),
    }  # fmt: skip
    write_views(fake_run(tmp_path, 12, shapes, False))
    assert (tmp_path / "views" / "masks.svg").stat().st_size < 2_000_000


def test_every_layer_is_drawn_to_one_scale_with_its_own_mask(run: Run) -> None:
    images = masks.draw(run).axes[0].images
    in_order = [name for group in names.by_group(run.masks).values() for name in group]
    scales = set()
    for image, name in zip(images, in_order, strict=True):
        keep = run.masks[name]
        left, right, bottom, top = image.get_extent()
        scales |= {
            round((right - left) / keep.shape[1], 6),
            round((bottom - top) / keep.shape[0], 6),
        }
        pixels = np.asarray(image.get_array())[::4, ::4]
        np.testing.assert_array_equal((pixels == masks.KEPT).all(axis=-1), keep)
    assert len(scales) == 1


@pytest.mark.parametrize("draw", [masks.draw, sensitivity.draw])
@pytest.mark.parametrize("kinds", [1, 2, 4])
def test_no_words_overlap_or_leave_the_page(
    tmp_path: Path, kinds: int, draw: Callable[[Run], Any]
) -> None:
    shapes = {name: (4, 8) for name in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")[:kinds]}
    figure = draw(read_run(fake_run(tmp_path, 3, shapes, True)))
    figure.draw_without_rendering()
    words = [
        text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()
    ]
    boxes = [text.get_window_extent() for text in words]
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, words[index]
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, words[index]
        for other, beside in zip(words[:index], boxes[:index], strict=True):
            assert not box.overlaps(beside), (words[index], other)


def test_chosen_points_lie_where_the_masks_are(run: Run) -> None:
    figure = sensitivity.draw(run)
    circles = {
        (round(float(line.get_xdata()[0]), 6), round(float(line.get_ydata()[0]), 6))
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() == "o"
    }
    expected = {
        (round(100 * (~keep).mean(), 6), round(float((~keep).sum() ** 2), 6))
        for keep in run.masks.values()
    }
    assert circles == expected


def test_a_model_without_cycles_is_drawn_over_its_flops(folder: Path) -> None:
    arrays = load_file(folder / "curves.safetensors")
    path = folder / "curves.safetensors"
    save_file({name.replace("cycles_", "flops_"): arrays[name] for name in arrays}, path)
    labels = {axes.get_xlabel() for axes in sensitivity.draw(read_run(folder)).axes}
    assert labels == {"", "flops saved, % of the layer's"}


def test_layers_are_grouped_by_block_and_by_kind() -> None:
    assert names.by_group(NAMES) == {
        "": ["patch_embed.proj", "head"],
        "blocks.0": ["blocks.0.attn.qkv"],
        "blocks.1": ["blocks.1.attn.qkv", "blocks.1.mlp.fc2"],
    }
    assert names.by_kind(NAMES) == {
        "attn.qkv": ["blocks.0.attn.qkv", "blocks.1.attn.qkv"],
        "others": ["patch_embed.proj", "blocks.1.mlp.fc2", "head"],
    }


def test_layers_of_staged_models_go_by_stage_and_block() -> None:
    assert names.split("layers.0.blocks.1.attn.qkv") == ("layers.0.blocks.1", "attn.qkv")
    assert names.split("layers.1.downsample.reduction") == ("layers.1", "downsample.reduction")
    assert names.split("head.fc") == ("", "head.fc")
    assert names.split("stem.0") == ("", "stem.0")


def test_captions_are_short_where_that_is_clear() -> None:
    assert names.captions(["b.0.attn.qkv", "b.0.mlp.fc1"]) == ["qkv", "fc1"]
    assert names.captions(["b.0.attn.proj", "b.0.token.proj"]) == ["attn.proj", "token.proj"]
    assert names.captions(["patch_embed.proj", "head"]) == ["patch_embed.proj", "head"]


def test_csv_holds_the_report_as_it_is(run: Run) -> None:
    rows = list(csv.DictReader(StringIO(layers.csv(run.rows))))
    assert [float(row["distortion"]) for row in rows] == [row["distortion"] for row in run.rows]
    assert float(rows[0]["density"]) == run.masks["patch_embed.proj"].mean()


def test_figures_that_a_run_lacks_make_no_column(run: Run) -> None:
    titles = [column.title for column in layers.columns(run.rows)]
    assert "cycles before" in titles and "uJ before" not in titles


def test_masks_of_another_run_are_refused(folder: Path, call: Call) -> None:
    save_file({"head": np.ones((1, 4), bool)}, folder / "masks.safetensors")
    status, message = call(app, "show", folder)
    assert (status, message.count("\n")) == (2, 1)
    assert "masks.safetensors: the blocks of patch_embed.proj" in message
    assert not (folder / "views").exists()


def test_curves_of_another_run_are_refused(folder: Path) -> None:
    save_file({f"head.{kind}": np.ones(3) for kind in ("distortion", "cycles_saved")},
              folder / "curves.safetensors")  # fmt: skip
    with pytest.raises(UserError, match="the curves of patch_embed"):
        write_views(folder)
