"""One pruning run: load, quantize dense, prune to the budget, quantize again, write the artifacts.

A model that the compiler cannot run is not quantized: its budget is in FLOPs, its result in float.
`pruned.json` holds the settings too, so that a later round can repeat the run with another aim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from hw.artifacts import read_json, write_json, write_tensors
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network, save_network
from prune.blocks import (
    BlockMask,
    BlockShape,
    PrunableLayer,
    apply_masks_,
    check_block,
    prunable_layers,
)
from prune.budget import Budget, Cost, FlopCost, check_fraction, check_unit, cost_in
from prune.data import calibration_images, calibration_source
from prune.export import export_onnx
from prune.methods import BlockMethod, Ranking, method_named
from prune.models import LoadedModel, load_model
from prune.pruning import Allocation, spend
from prune.quantize import normalize, quantize
from prune.reach import why_dense
from prune.support import why_not_compilable
from sim.cycles import network_cycles

FORMAT_VERSION = 1
RANDOM_WARNING = "the weights are random: cycles hold, accuracy and distortion mean nothing"
_SHAPE_IMAGES = 2
_ROUNDS = 5
_CLOSE_ENOUGH = 0.002
"""Share of the budget that the quantized network may miss it by."""
_GRADIENT_IMAGES = 32
"""Images for gradients unless their number is given; the demo, being small, takes them all."""


@dataclass(frozen=True)
class Source:
    """The model, its weights and the images that calibrate it."""

    model: str
    checkpoint: Path | None = None
    data: Path | None = None
    seed: int = 0
    images: int | None = None
    """Calibration images; None: as many as `prune.data` likes, fewer for gradients."""


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on.

    Raises:
        UserError: on a budget or unit that cannot be used.
    """

    source: Source
    budget: float
    unit: str
    method: str
    block: BlockShape
    config: ArrayConfig

    def __post_init__(self) -> None:
        check_fraction(self.budget)
        check_unit(self.unit)

    def to_dict(self) -> dict[str, Any]:
        source = self.source
        return {
            "model": source.model,
            "checkpoint": str(source.checkpoint) if source.checkpoint else None,
            "data": str(source.data) if source.data else None,
            "seed": source.seed,
            "images": source.images,
            "budget": self.budget,
            "unit": self.unit,
            "method": self.method,
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
            ),
            entry["budget"],
            entry["unit"],
            entry["method"],
            (entry["block"][0], entry["block"][1]),
            ArrayConfig.from_dict(entry["config"]),
        )


@dataclass(frozen=True)
class Prepared:
    """A ranked model: what every budget spent on it has in common."""

    loaded: LoadedModel
    calibration: Tensor
    """(N, channels, height, width), pixels in [0, 1]."""
    dense: Network | None
    """Quantized before pruning; None for a model that the compiler cannot run. Only shapes and
    zeros count, so few images calibrated it."""
    method: BlockMethod
    config: ArrayConfig
    layers: list[PrunableLayer]
    rankings: dict[str, Ranking]
    _costs: dict[str, Cost] = field(default_factory=dict, repr=False)

    def allocate(self, fraction: float, unit: str, aim: float | None = None) -> Allocation:
        """Spend `fraction` of the dense cost, or `aim`, without changing the model."""
        budget = Budget(fraction, self.cost(unit), aim)
        return spend(budget, self.layers, self.rankings, self.method.min_keep)

    def cost(self, unit: str) -> Cost:
        """Raises UserError when the model cannot be compiled, but for `flops`."""
        if unit not in self._costs:
            if self.dense is not None:
                self._costs[unit] = cost_in(unit, self.dense, self.config)
            else:
                if unit != "flops":
                    self.loaded.compilable()
                self._costs[unit] = FlopCost.of_model(self.loaded.model, self.calibration[0])
        return self._costs[unit]


@dataclass(frozen=True)
class Pruned:
    """The result of a run, as it is written."""

    network: Network | None
    """None for a model that the compiler cannot run."""
    loaded: LoadedModel
    """With the pruned weights."""
    masks: dict[str, BlockMask]
    report: dict[str, Any]


def prepare(
    source: Source, method_name: str, block: BlockShape, config: ArrayConfig, unit: str = "cycles"
) -> Prepared:
    """Load the model, rank its blocks, and quantize it if it can be compiled.

    `unit` is one that the budgets will be in.

    Raises:
        UserError: on any input that cannot be used.
    """
    check_block(block, config)
    method = method_named(method_name, block)
    loaded = load_model(source.model, source.checkpoint, source.seed, to_compile=unit != "flops")
    calibration = calibration_images(loaded, source.data, source.images, source.seed)
    layers = prunable_layers(loaded.model, block)
    whole = loaded.is_demo or source.images is not None
    for_ranking = calibration if whole else calibration[:_GRADIENT_IMAGES]
    rankings = method.rank(loaded.model, layers, normalize(loaded, for_ranking))
    compiles = why_not_compilable(loaded.model) is None
    dense = quantize(loaded, calibration[:_SHAPE_IMAGES], block) if compiles else None
    return Prepared(loaded, calibration, dense, method, config, layers, rankings)


def run(settings: Settings, aim: float | None = None) -> Pruned:
    """Prune as `settings` say; `aim` replaces the budget's own target.

    Quantizing a pruned model can empty more tiles than its masks do: a value channel without
    weights is constant, and the projection behind it folds it into its bias. So the aim of the
    allocation is moved until the quantized network meets the budget.

    Raises:
        UserError: on any input that cannot be used, and when the budget cannot be reached.
    """
    prepared = prepare(
        settings.source, settings.method, settings.block, settings.config, settings.unit
    )
    loaded = prepared.loaded
    dense = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    images_from = calibration_source(loaded, settings.source.data)
    limit = aim
    network = None
    for _ in range(_ROUNDS):
        allocation = prepared.allocate(settings.budget, settings.unit, limit)
        loaded.model.load_state_dict(dense)
        apply_masks_(loaded.model, allocation.masks)
        if prepared.dense is None:
            break
        network = quantize(loaded, prepared.calibration, settings.block, images_from)
        if settings.unit != "cycles":
            break
        wanted = settings.budget * prepared.cost(settings.unit).dense if aim is None else aim
        missed = wanted - network_cycles(network, settings.config).total
        if abs(missed) <= _CLOSE_ENOUGH * wanted:
            break
        limit = (wanted if limit is None else limit) + missed
    report = _report(settings, prepared, allocation, network, aim)
    if network is not None:
        network.info |= {key: report[key] for key in _INFO if key in report}
    return Pruned(network, loaded, allocation.masks, report)


_INFO = (
    "weights_source",
    "warning",
    "seed",
    "method",
    "budget",
    "unit",
    "block",
    "dense_cycles",
    "target_cycles",
    "predicted_cycles",
)


def _report(
    settings: Settings,
    prepared: Prepared,
    allocation: Allocation,
    network: Network | None,
    aim: float | None,
) -> dict[str, Any]:
    model = prepared.loaded.model
    report: dict[str, Any] = {
        "format": FORMAT_VERSION,
        **settings.to_dict(),
        "weights_source": prepared.loaded.weights_source,
        "compiled": network is not None,
        "dense_cost": prepared.cost(settings.unit).dense,
        "cost": allocation.cost,
        "aim": aim,
    }
    if prepared.dense is None or network is None:
        report["why_not_compiled"] = why_not_compilable(model)
        by_op = None
    else:
        dense = network_cycles(prepared.dense, settings.config).total
        predicted = network_cycles(network, settings.config)
        in_cycles = settings.unit == "cycles"
        report["dense_cycles"] = dense
        report["target_cycles"] = round(settings.budget * dense) if in_cycles else None
        report["predicted_cycles"] = predicted.total
        by_op = predicted.by_op
    report["layers"] = _layer_rows(allocation, by_op)
    report["left_dense"] = [
        {"name": name, "reason": reason} for name, reason in why_dense(model).items() if reason
    ]
    if prepared.loaded.random:
        report["warning"] = RANDOM_WARNING
    return report


def _layer_rows(
    allocation: Allocation, predicted: Mapping[str, int] | None
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "blocks_total": mask.grid.total,
            "blocks_kept": mask.kept,
            "distortion": allocation.distortion[name],
            **({} if predicted is None else {"predicted_cycles": predicted[name]}),
        }
        for name, mask in allocation.masks.items()
    ]


def write(pruned: Pruned, out: Path) -> None:
    """Write the pruned model, its masks, its report and the IR into `out`.

    `pruned.safetensors` is the float state dict in timm's names, `masks.safetensors` one bool array
    (block rows, block columns) a layer. A model that the compiler cannot run has no IR, but
    `model.onnx`, in float.
    """
    state = pruned.loaded.model.state_dict()
    write_tensors(
        out / "pruned.safetensors",
        {name: tensor.cpu().numpy() for name, tensor in state.items()},
        # One entry: safetensors writes several in no fixed order.
        {"about": "{model}, weights: {weights_source}, pruned by {method}".format(**pruned.report)},
    )
    write_tensors(out / "masks.safetensors", _mask_arrays(pruned.masks))
    write_json(out / "pruned.json", pruned.report)
    if pruned.network is not None:
        save_network(pruned.network, out)
        return
    for stale in ("network.json", "network.safetensors"):
        (out / stale).unlink(missing_ok=True)
    export_onnx(pruned.loaded, out / "model.onnx")


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
