"""What a pruning run left in its folder, for the views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.artifacts import read_tensors
from hw.errors import UserError
from prune.run_folder import read_report

_REMEDY = "run `python -m prune run` again"
_FIELDS = ("name", "blocks_total", "blocks_kept", "distortion")
_UNITS = ("cycles", "flops")
"""What curves may count as saved: multiply-accumulates for a model that has no cycles."""


@dataclass(frozen=True)
class LayerCurve:
    """What a layer loses and saves when its first n blocks go, n from 0 to all."""

    distortion: NDArray[np.float64]
    saved: NDArray[np.float64]
    """In the run's `saved_unit`."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    report: dict[str, Any]
    masks: dict[str, NDArray[np.bool_]]
    """(block rows, block columns) by layer."""
    curves: dict[str, LayerCurve]
    """By layer; empty for a run that kept none."""
    saved_unit: str = "cycles"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The report's entry of every layer."""
        rows: list[dict[str, Any]] = self.report["layers"]
        return rows


def read_run(out: Path) -> Run:
    """The report, masks and curves in `out`.

    Raises:
        UserError: when a file is missing or damaged, or they do not belong together.
    """
    report = read_report(out)
    rows = report.get("layers")
    if (
        not isinstance(rows, list)
        or not rows
        or not all(isinstance(row, dict) and all(name in row for name in _FIELDS) for row in rows)
    ):
        raise UserError(f"{out}/pruned.json: holds no layers; {_REMEDY}")
    masks = read_tensors(out / "masks.safetensors", "the masks of a pruning run", _REMEDY)
    for row in rows:
        mask = masks.get(row["name"])
        if mask is None or (mask.size, mask.sum()) != (row["blocks_total"], row["blocks_kept"]):
            raise UserError(
                f"{out}/masks.safetensors: the blocks of {row['name']} are not those of "
                f"pruned.json; {_REMEDY}"
            )
    masks = {row["name"]: masks[row["name"]] for row in rows}
    path = out / "curves.safetensors"
    if not path.exists():
        return Run(report, masks, {})
    found = read_tensors(path, "the curves of a pruning run", _REMEDY)
    unit = next((u for u in _UNITS if f"{rows[0]['name']}.{u}_saved" in found), _UNITS[0])
    curves = {}
    for row in rows:
        name, length = row["name"], row["blocks_total"] + 1
        curve = [
            found.get(f"{name}.{kind}", np.zeros(0)) for kind in ("distortion", f"{unit}_saved")
        ]
        if [len(values) for values in curve] != [length, length]:
            raise UserError(f"{path}: the curves of {name} are not those of pruned.json; {_REMEDY}")
        curves[name] = LayerCurve(*curve)
    return Run(report, masks, curves, unit)
