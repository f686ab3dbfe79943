"""A run of several images goes on where it was interrupted, and only there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sim.cli import app
from sim.images import InputImage
from sim.measure import Measurement
from sim.run_log import NAME
from tests.support import Call

VOLATILE = ("seconds", "khz", "build_seconds", "wall_seconds")


def cycles(folder: Path) -> dict[str, Any]:
    entry = json.loads((folder / "cycles.json").read_text())
    return {key: value for key, value in entry.items() if key not in VOLATILE}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The images of every call; the first call is interrupted after the first of them."""
    calls: list[list[str]] = []
    module = import_module("sim.cli.run")
    right = module.measure_images

    def interrupted(
        network: Any, program: Any, images: Sequence[InputImage], *args: Any
    ) -> Iterator[Measurement]:
        calls.append([image.source.split(",")[0] for image in images])
        for result in right(network, program, images, *args):
            yield result
            if len(calls) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure_images", interrupted)
    return calls


def test_interrupted_run_goes_on(selected: Path, call: Call, asked: list[list[str]]) -> None:
    before = cycles(selected)
    (selected / "cycles.json").unlink()
    assert call(app, "run", selected, "--images", 3)[0] == 130
    assert not (selected / "cycles.json").exists()
    status, printed = call(app, "run", selected, "--images", 3)
    assert status == 0
    assert "going on after 1 of 3 images" in printed
    assert asked[1] == ["bundled test image 1", "bundled test image 2"]
    assert cycles(selected) == before
    assert not (selected / NAME).exists()


def test_other_conditions_start_anew(selected: Path, call: Call, asked: list[list[str]]) -> None:
    assert call(app, "run", selected, "--images", 3)[0] == 130
    assert call(app, "run", selected, "--images", 3, "--stall", 10)[0] == 0
    assert len(asked[1]) == 3


def test_damaged_log_starts_anew(selected: Path, call: Call, asked: list[list[str]]) -> None:
    assert call(app, "run", selected, "--images", 2)[0] == 130
    path = selected / NAME
    path.write_text(path.read_text()[:50])
    assert call(app, "run", selected, "--images", 2)[0] == 0
    assert len(asked[1]) == 2
