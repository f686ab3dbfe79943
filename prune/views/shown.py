"""The images that pictures of a run show: `Shown`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from prune.data import calibration_images
from prune.models import LoadedModel, load_model
from prune.run_folder import read_report

COUNT = 6


@dataclass(frozen=True)
class Shown:
    """A seeded choice of images."""

    data: Path | None = None
    """Folder of images; None: the bundled ones."""
    count: int = COUNT
    seed: int = 0

    @staticmethod
    def of(report: Mapping[str, Any]) -> Shown:
        """Some of those that calibrated a run, or bundled ones where their folder has gone."""
        data = Path(report["data"]) if report.get("data") else None
        return Shown(
            data if data is not None and data.is_dir() else None, seed=report.get("seed", 0)
        )


def tokens_shown(out: Path, shown: Shown) -> tuple[LoadedModel, Tensor]:
    """The model of the run in `out`, and pixels in [0, 1] (N, C, H, W) of the images.

    Raises:
        UserError: the weights or the images cannot be read.
    """
    report = read_report(out)
    loaded = load_model(report["model"], out / "pruned.safetensors", report["seed"])
    return loaded, calibration_images(loaded, shown.data, shown.count, shown.seed)
