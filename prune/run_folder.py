"""The folder of a pruning run: its artifacts, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hw.artifacts import read_json, write_json, write_tensors
from hw.errors import UserError
from hw.ir import Network, save_network
from prune.allocation.budget import FIGURES
from prune.blocks import (
    BlockMask,
)
from prune.export import export_onnx
from prune.models import LoadedModel

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Pruned:
    """The result of a run, as it is written."""

    network: Network | None
    """None: the model has no integer form."""
    loaded: LoadedModel
    """With the pruned weights."""
    masks: dict[str, BlockMask]
    report: dict[str, Any]
    curves: dict[str, NDArray[Any]]
    """What every layer's blocks harm and save, see `Prepared.curves`."""


def describe(network: Network, report: dict[str, Any]) -> None:
    """Tell the network what later stages show of its run."""
    network.info |= {key: report[key] for key in _INFO if key in report}


_INFO = (
    "weights_source",
    "warning",
    "seed",
    "method",
    "objective",
    "budgets",
    "block",
    "selectors",
    *(f"{kind}_{FIGURES[unit]}" for kind in ("dense", "target", "predicted") for unit in FIGURES),
)


def write(pruned: Pruned, out: Path) -> None:
    """Write the pruned model, its masks, curves and report, and its IR into `out`.

    `pruned.safetensors` is the float state dict in timm's names, `masks.safetensors` one bool array
    (block rows, block columns) a layer, `curves.safetensors` as `Prepared.curves`. A model that the
    compiler cannot run has no IR, but `model.onnx`, in float.
    """
    state = pruned.loaded.model.state_dict()
    write_tensors(
        out / "pruned.safetensors",
        {name: tensor.cpu().numpy() for name, tensor in state.items()},
        # One entry: safetensors writes several in no fixed order.
        {"about": "{model}, weights: {weights_source}, pruned by {method}".format(**pruned.report)},
    )
    write_tensors(out / "masks.safetensors", _mask_arrays(pruned.masks))
    write_tensors(out / "curves.safetensors", pruned.curves)
    write_json(out / "pruned.json", pruned.report)
    in_float = out / "model.onnx"
    if pruned.network is not None:
        save_network(pruned.network, out)
        in_float.unlink(missing_ok=True)
        return
    for stale in ("network.json", "network.safetensors"):
        (out / stale).unlink(missing_ok=True)
    export_onnx(pruned.loaded, in_float)


def _mask_arrays(masks: Mapping[str, BlockMask]) -> dict[str, Any]:
    return {name: mask.keep for name, mask in masks.items()}


def read_report(out: Path) -> dict[str, Any]:
    """The `pruned.json` of an earlier run.

    Raises:
        UserError: when there is none, or it is damaged.
    """
    path = out / "pruned.json"
    remedy = "run `python -m prune run` again"
    report = read_json(path, "the report of a pruning run", remedy)
    if not isinstance(report, dict) or report.get("format") != FORMAT_VERSION:
        raise UserError(f"{path}: not a report of format {FORMAT_VERSION}; {remedy}")
    return report
