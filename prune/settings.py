"""What a pruning run depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.config import ArrayConfig
from prune.allocation.budget import Unit, check_budgets
from prune.blocks import BlockShape
from prune.methods.power import Objective


@dataclass(frozen=True)
class Source:
    """The model, its weights and the images that calibrate it."""

    model: str
    checkpoint: Path | None = None
    data: Path | None = None
    seed: int = 0
    images: int | None = None
    """Calibration images; None: as many as `prune.data` likes."""
    selectors: Path | None = None
    """Token selectors, as `prune.tokens.files.load_selected` takes them."""


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on.

    Raises:
        UserError: on budgets that cannot be used, none included.
    """

    source: Source
    budgets: Mapping[Unit, float]
    """Shares of the dense network's cost that may stay, each met."""
    method: str
    block: BlockShape
    config: ArrayConfig
    objective: Objective = "method"
    """What is minimised under the budgets."""

    def __post_init__(self) -> None:
        check_budgets(self.budgets)

    def to_dict(self) -> dict[str, Any]:
        source = self.source
        return {
            "model": source.model,
            "checkpoint": str(source.checkpoint) if source.checkpoint else None,
            "data": str(source.data) if source.data else None,
            "seed": source.seed,
            "images": source.images,
            "selectors_from": str(source.selectors) if source.selectors else None,
            "budgets": dict(self.budgets),
            "method": self.method,
            "objective": self.objective,
            "block": list(self.block),
            "config": asdict(self.config),
        }

    @staticmethod
    def from_dict(entry: dict[str, Any]) -> Settings:
        """The inverse of `to_dict`; other keys are ignored."""
        return Settings(
            Source(
                entry["model"],
                Path(entry["checkpoint"]) if entry["checkpoint"] else None,
                Path(entry["data"]) if entry["data"] else None,
                entry["seed"],
                entry["images"],
                Path(entry["selectors_from"]) if entry.get("selectors_from") else None,
            ),
            entry["budgets"],
            entry["method"],
            (entry["block"][0], entry["block"][1]),
            ArrayConfig.from_dict(entry["config"]),
            entry["objective"],
        )
