"""One pruning run: load, quantize dense, prune to the budget, quantize again, write the artifacts.

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
from prune.budget import Budget, Cost, check_fraction, check_unit, cost_in
from prune.data import calibration_images, calibration_source
from prune.methods import BlockMethod, Ranking, method_named
from prune.models import LoadedModel, load_model
from prune.pruning import Allocation, spend
from prune.quantize import normalize, quantize
from sim.cycles import NetworkCycles, network_cycles

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
    dense: Network
    """Quantized before pruning. Only shapes and zeros count, so few images calibrated it."""
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
        if unit not in self._costs:
            self._costs[unit] = cost_in(unit, self.dense, self.config)
        return self._costs[unit]


@dataclass(frozen=True)
class Pruned:
    """The result of a run, as it is written."""

    network: Network
    state: dict[str, Tensor]
    masks: dict[str, BlockMask]
    report: dict[str, Any]


def prepare(source: Source, method_name: str, block: BlockShape, config: ArrayConfig) -> Prepared:
    """Load and quantize the model, and rank its blocks.

    Raises:
        UserError: on any input that cannot be used.
    """
    check_block(block, config)
    method = method_named(method_name, block)
    loaded = load_model(source.model, source.checkpoint, source.seed)
    calibration = calibration_images(loaded, source.data, source.images, source.seed)
    layers = prunable_layers(loaded.model, block)
    whole = loaded.is_demo or source.images is not None
    for_ranking = calibration if whole else calibration[:_GRADIENT_IMAGES]
    rankings = method.rank(loaded.model, layers, normalize(loaded, for_ranking))
    dense = quantize(loaded, calibration[:_SHAPE_IMAGES], block)
    return Prepared(loaded, calibration, dense, method, config, layers, rankings)


def run(settings: Settings, aim: float | None = None) -> Pruned:
    """Prune as `settings` say; `aim` replaces the budget's own target.

    Quantizing a pruned model can empty more tiles than its masks do: a value channel without
    weights is constant, and the projection behind it folds it into its bias. So the aim of the
    allocation is moved until the quantized network meets the budget.

    Raises:
        UserError: on any input that cannot be used, and when the budget cannot be reached.
    """
    prepared = prepare(settings.source, settings.method, settings.block, settings.config)
    loaded = prepared.loaded
    dense = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    images_from = calibration_source(loaded, settings.source.data)
    limit = aim
    for _ in range(_ROUNDS):
        allocation = prepared.allocate(settings.budget, settings.unit, limit)
        loaded.model.load_state_dict(dense)
        apply_masks_(loaded.model, allocation.masks)
        network = quantize(loaded, prepared.calibration, settings.block, images_from)
        if settings.unit != "cycles":
            break
        wanted = settings.budget * prepared.cost(settings.unit).dense if aim is None else aim
        missed = wanted - network_cycles(network, settings.config).total
        if abs(missed) <= _CLOSE_ENOUGH * wanted:
            break
        limit = (wanted if limit is None else limit) + missed
    report = _report(settings, prepared, allocation, network, aim)
    describe(network, report)
    state = {name: tensor.detach() for name, tensor in loaded.model.state_dict().items()}
    return Pruned(network, state, allocation.masks, report)


def describe(network: Network, report: dict[str, Any]) -> None:
    """Tell the network what later stages show of its run."""
    network.info |= {key: report[key] for key in _INFO if key in report}


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
    network: Network,
    aim: float | None,
) -> dict[str, Any]:
    dense = network_cycles(prepared.dense, settings.config)
    predicted = network_cycles(network, settings.config)
    in_cycles = settings.unit == "cycles"
    report: dict[str, Any] = {
        "format": FORMAT_VERSION,
        **settings.to_dict(),
        "weights_source": prepared.loaded.weights_source,
        "dense_cost": prepared.cost(settings.unit).dense,
        "cost": allocation.cost,
        "aim": aim,
        "dense_cycles": dense.total,
        "target_cycles": round(settings.budget * dense.total) if in_cycles else None,
        "predicted_cycles": predicted.total,
        "layers": _layer_rows(allocation, predicted),
    }
    if prepared.loaded.random:
        report["warning"] = RANDOM_WARNING
    return report


def _layer_rows(allocation: Allocation, predicted: NetworkCycles) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "blocks_total": mask.grid.total,
            "blocks_kept": mask.kept,
            "distortion": allocation.distortion[name],
            "predicted_cycles": predicted.by_op[name],
        }
        for name, mask in allocation.masks.items()
    ]


def write(pruned: Pruned, out: Path) -> None:
    """Write the pruned model, its masks, its report and the IR into `out`.

    `pruned.safetensors` is the float state dict in timm's names, `masks.safetensors` one bool array
    (block rows, block columns) a layer.
    """
    write_tensors(
        out / "pruned.safetensors",
        {name: tensor.cpu().numpy() for name, tensor in pruned.state.items()},
        # One entry: safetensors writes several in no fixed order.
        {"about": "{model}, weights: {weights_source}, pruned by {method}".format(**pruned.report)},
    )
    write_tensors(out / "masks.safetensors", _mask_arrays(pruned.masks))
    write_json(out / "pruned.json", pruned.report)
    save_network(pruned.network, out)


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
