"""The picture of kept tokens: every patch where it belongs, and its stage's live tokens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch import Tensor

from hw.errors import UserError
from prune.models import LoadedModel
from prune.quantize import normalize
from prune.tokens import recording
from prune.tokens.stages import architecture
from prune.views.tokens import PAPER, Stage, borders, draw, grid, overlay, stages, write_tokens
from tests.prune.tokens.small import plain, selective


def loaded_model(kind: str, model: Any = None) -> LoadedModel:
    model = selective(kind, (1, 3)) if model is None else model
    return LoadedModel(model, kind, "random", (0.5,) * 3, (0.25,) * 3, random=True)


def pixels(loaded: LoadedModel, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, *loaded.image_shape, generator=generator)


def test_patches_that_go_fade_and_the_others_stay() -> None:
    image = np.random.default_rng(0).random((3, 6, 4))
    keep = np.array([True, False, False, True, True, False])  # 3 down, 2 across
    found = overlay(image, keep)
    factor = found.shape[0] // 6
    assert found.shape == (6 * factor, 4 * factor, 3)
    small = found[::factor, ::factor]
    stays = keep.reshape(3, 2).repeat(2, axis=0).repeat(2, axis=1)
    original = np.moveaxis(image, 0, -1)
    np.testing.assert_array_equal(small[stays], original[stays])
    assert np.abs(small[~stays] - PAPER).max() < 0.18
    assert np.ptp(small[~stays], axis=1).max() < 1e-12


def test_one_channel_is_grey() -> None:
    found = overlay(np.full((1, 4, 4), 0.25), np.ones(4, bool))
    np.testing.assert_array_equal(found, np.full_like(found, 0.25))


@pytest.mark.parametrize(
    ("patches", "height", "width", "expected"),
    [(49, 28, 28, (7, 7)), (12, 60, 80, (3, 4)), (8, 20, 10, (4, 2))],
)
def test_grid_has_the_image_s_proportions(
    patches: int, height: int, width: int, expected: tuple[int, int]
) -> None:
    assert grid(patches, height, width) == expected


def test_border_runs_between_patches_that_stay_and_that_go() -> None:
    keep = np.array([[True, False], [True, True]])
    assert borders(keep) == [((1, 0), (1, 1)), ((1, 1), (2, 1))]


@pytest.mark.parametrize("kind", ["deit", "distilled", "pit"])
def test_stages_are_those_of_the_model(kind: str) -> None:
    loaded = loaded_model(kind)
    images = pixels(loaded)
    found = stages(loaded, images)
    with torch.no_grad(), recording(loaded.model) as record:
        loaded.model(normalize(loaded, images))
    assert [stage.block for stage in found] == [1, 3]
    for stage in found:
        np.testing.assert_array_equal(stage.keep, record[stage.block].keep.numpy() > 0)
        assert stage.tokens.tolist() == record[stage.block].tokens.tolist()


def words(loaded: LoadedModel, images: Tensor, found: list[Stage]) -> list[Text]:
    figure = draw(loaded.name, images, found, architecture(loaded.model).prefix)
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def test_live_tokens_stand_under_every_image() -> None:
    loaded = loaded_model("distilled")
    images = pixels(loaded)
    found = stages(loaded, images)
    texts = [text.get_text() for text in words(loaded, images, found)]
    counts = [int(match[1]) for text in texts if (match := re.fullmatch(r"(\d+) tokens", text))]
    assert counts == [38, 38, 38, *(int(n) for stage in found for n in stage.tokens)]


@pytest.mark.parametrize("kind", ["deit", "pit"])
def test_no_words_overlap_or_leave_the_page(kind: str) -> None:
    loaded = loaded_model(kind)
    images = pixels(loaded)
    texts = words(loaded, images, stages(loaded, images))
    figure = texts[0].get_figure()
    assert figure is not None
    page = figure.bbox
    boxes = [text.get_window_extent() for text in texts]
    for index, box in enumerate(boxes):
        assert page.x0 <= box.x0 and box.x1 <= page.x1, texts[index]
        assert page.y0 <= box.y0 and box.y1 <= page.y1, texts[index]
        assert not any(box.overlaps(other) for other in boxes[:index]), texts[index]


def test_same_images_give_the_same_file(tmp_path: Path) -> None:
    loaded = loaded_model("deit")
    first = write_tokens(tmp_path, loaded, pixels(loaded)).read_bytes()
    assert write_tokens(tmp_path, loaded, pixels(loaded)).read_bytes() == first


def test_a_model_without_selectors_is_refused(tmp_path: Path) -> None:
    loaded = loaded_model("deit", plain())
    with pytest.raises(UserError, match="has no token selectors"):
        write_tokens(tmp_path, loaded, pixels(loaded))
    assert not list(tmp_path.iterdir())
