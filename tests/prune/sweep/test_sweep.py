"""`python -m prune sweep`: points of the demo's curve, going on, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hw.errors import UserError
from prune.cli import app
from prune.sweep import Plan, run, sweep
from prune.sweep.bench import Bench
from prune.sweep.log import Point
from tests.support import Call

TINY = "deit_t:img_size=32,patch_size=8,depth=1,embed_dim=48,num_heads=3,num_classes=2"
PLAN = Plan(
    "demo", ("magnitude", "lpvit-nopower"), shares=(0.8, 0.5), blocks=((16, 16),), images=16,
    limit=100,
)  # fmt: skip


def image_folder(folder: Path, seed: int) -> Path:
    """Two classes of three random images each."""
    random = np.random.default_rng(seed)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished sweep."""
    out = tmp_path_factory.mktemp("sweep")
    sweep(PLAN, out, bf16=False)
    return out


def test_demo_keeps_its_top1_at_80_percent_of_cycles_and_loses_it_at_50(swept: Path) -> None:
    log = sweep(PLAN, swept, bf16=False)
    dense = log.dense["top1"] or 0.0
    found = {(point.method, point.cycles): point.top1 or 0.0 for point in log}
    assert dense > 0.9
    assert found["lpvit-nopower", 0.8] > dense - 0.06
    assert found["lpvit-nopower", 0.5] < dense - 0.2


def test_a_finished_sweep_measures_nothing_again(
    swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_measure", lambda *_: pytest.fail("measured again"))
    monkeypatch.setattr(Bench, "top1", lambda _: pytest.fail("measured again"))
    assert len(list(sweep(PLAN, swept, bf16=False))) == 4


def test_an_interrupted_sweep_goes_on_to_the_same_figures(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stops(run.Progress):
        def done(self, point: Point) -> None:
            if point.method == "lpvit-nopower":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(PLAN, tmp_path, bf16=False, progress=Stops())
    assert len(json.loads((tmp_path / "sweep.json").read_text())["points"]) == 3
    sweep(PLAN, tmp_path, bf16=False)
    assert (tmp_path / "sweep.json").read_bytes() == (swept / "sweep.json").read_bytes()


def test_a_method_without_images_has_one_draw(tmp_path: Path) -> None:
    plan = replace(PLAN, shares=(0.8,), draws=2, limit=20)
    drawn = [(point.method, point.draw) for point in sweep(plan, tmp_path, bf16=False)]
    assert drawn == [("magnitude", 0), ("lpvit-nopower", 0), ("lpvit-nopower", 1)]


def test_a_share_out_of_reach_is_a_point_without_a_figure(tmp_path: Path) -> None:
    plan = replace(PLAN, methods=("magnitude",), shares=(0.8, 0.01), limit=20)
    reached, out_of_reach = sweep(plan, tmp_path, bf16=False)
    assert reached.top1 is not None
    assert out_of_reach.top1 is None and "use at least" in (out_of_reach.reason or "")


def test_int8_is_measured_when_asked_for_later(tmp_path: Path) -> None:
    plan = replace(PLAN, methods=("magnitude",), shares=(0.8,), limit=20)
    sweep(plan, tmp_path, bf16=False)
    (point,) = sweep(replace(plan, int8=True), tmp_path, bf16=False)
    assert point.int8_top1 == pytest.approx(point.top1, abs=0.1)


def test_command_writes_log_table_and_picture(tmp_path: Path, call: Call) -> None:
    data, test = image_folder(tmp_path / "train", 0), image_folder(tmp_path / "test", 1)
    settings = ("--methods", "magnitude", "--cycles", "0.9,0.8", "--blocks", "16x16")
    out = tmp_path / "out"
    status, _ = call(
        app, "sweep", TINY, "--data", data, "--test", test, "--images", 4, "--out", out, *settings
    )
    assert status == 0
    assert {path.name for path in out.iterdir()} == {"sweep.json", "sweep.md", "sweep.svg"}
    assert "mean NOTHING" in (out / "sweep.md").read_text()
    assert json.loads((out / "sweep.json").read_text())["disjoint"] == {
        "shared_files": 0,
        "equal_images": 0,
        "compared": "1 x 4 calibration images with 6 test images",
    }


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["demo", "--methods", "magnitude,best"], "method 'best'"),
        (["demo", "--methods", "magnitude,magnitude"], "methods"),
        (["demo", "--cycles", "0.5,half"], "cycles '0.5,half'"),
        (["demo", "--cycles", ""], "cycles"),
        (["demo", "--cycles", "1.5"], "1.5"),
        (["demo", "--blocks", "16x16,8x8"], "block 8x8"),
        (["demo", "--draws", "0"], "draws=0"),
        (["demo", "--draws", "2"], "draws=2"),
        (["demo", "--limit", "0"], "limit=0"),
        (["demo", "--images", "0"], "count=0"),
        (["deit_s"], "--data and --test"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    args: list[str], named: str, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "out"
    status, message = call(app, "sweep", *args, "--out", out)
    assert status == 2
    line = message.splitlines()[-1]
    assert line.startswith("error: ") and named in line
    assert not out.exists()


def test_log_of_other_settings_is_refused(swept: Path) -> None:
    with pytest.raises(UserError, match="test_images 100, this one has 50"):
        sweep(replace(PLAN, limit=50), swept, bf16=False)


def test_damaged_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"format": 1}')
    with pytest.raises(UserError, match="not a log of a sweep"):
        sweep(replace(PLAN, limit=20), tmp_path, bf16=False)


@pytest.mark.parametrize("inner", ["", "cat"])
def test_test_images_inside_the_calibration_folder_are_refused(tmp_path: Path, inner: str) -> None:
    data = image_folder(tmp_path / "train", 0)
    plan = replace(PLAN, model=TINY, data=data, test=data / inner)
    with pytest.raises(UserError, match="one lies in the other"):
        sweep(plan, tmp_path / "out")


def test_a_linked_test_image_is_refused(tmp_path: Path) -> None:
    data, test = image_folder(tmp_path / "train", 0), image_folder(tmp_path / "test", 1)
    (data / "cat" / "other.png").symlink_to(test / "dog" / "1.png")
    plan = replace(PLAN, model=TINY, data=data, test=test)
    with pytest.raises(UserError, match=r"other.png and .*1.png: the same file"):
        sweep(plan, tmp_path / "out")


def test_a_copied_test_image_is_refused(tmp_path: Path) -> None:
    data, test = image_folder(tmp_path / "train", 0), image_folder(tmp_path / "test", 1)
    Image.open(test / "dog" / "1.png").save(data / "cat" / "copy.bmp")
    plan = replace(PLAN, model=TINY, data=data, test=test)
    with pytest.raises(UserError, match="1 of 7 calibration images"):
        sweep(plan, tmp_path / "out")
