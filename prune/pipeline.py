"""One pruning run: load, quantize dense, prune to the budget, quantize again, write the artifacts.

`pruned.json` holds the settings too, so that a later round can repeat the run with another aim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
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
from prune.budget import FIGURES, Budget, Cost, Unit, check_budgets
from prune.calibration.store import Store
from prune.data import calibration_images, calibration_source
from prune.device import accelerated
from prune.export import export_onnx
from prune.flops import FlopCost
from prune.methods import BlockMethod, Ranking, method_named
from prune.methods.power import Objective, with_objective
from prune.models import LoadedModel, load_model
from prune.price import CycleCost, EnergyCost, Machine
from prune.quantize import normalize, quantize
from prune.reach import why_dense
from prune.report import Figures, figures, layer_rows, optimality, totals
from prune.spend import TOLERANCE, Allocation, spend
from prune.support import why_not_compilable

FORMAT_VERSION = 2
RANDOM_WARNING = "the weights are random: cycles hold, accuracy and distortion mean nothing"
_SHAPE_IMAGES = 2
_ROUNDS = 5
_REFITS = 2
_CLOSE_ENOUGH = 0.002
"""Share of the budget that the quantized network may miss it by."""


@dataclass(frozen=True)
class Source:
    """The model, its weights and the images that calibrate it."""

    model: str
    checkpoint: Path | None = None
    data: Path | None = None
    seed: int = 0
    images: int | None = None
    """Calibration images; None: as many as `prune.data` likes."""


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
            ),
            entry["budgets"],
            entry["method"],
            (entry["block"][0], entry["block"][1]),
            ArrayConfig.from_dict(entry["config"]),
            entry["objective"],
        )


@dataclass(frozen=True)
class Prepared:
    """A ranked model: what every budget spent on it has in common."""

    loaded: LoadedModel
    calibration: Tensor
    """(N, channels, height, width), pixels in [0, 1]."""
    dense: Network | None
    """Quantized before pruning; None: the model has no integer form. Only shapes and zeros count,
    so few images calibrated it."""
    method: BlockMethod
    config: ArrayConfig
    layers: list[PrunableLayer]
    rankings: dict[str, Ranking]
    store: Store = field(default_factory=Store)
    """Of what the method has finished."""
    _costs: dict[Unit, Cost] = field(default_factory=dict, repr=False)

    @property
    def inputs(self) -> Tensor:
        """The calibration images as the model takes them."""
        return normalize(self.loaded, self.calibration)

    def apply_(self, allocation: Allocation) -> Allocation:
        """Prune the dense model in place as allocated, with the masks that hold then."""
        method, model = self.method, self.loaded.model
        with accelerated(model) as device:
            inputs = self.inputs.to(device)
            masks = method.apply_(model, self.layers, allocation.masks, inputs, self.store)
        return replace(allocation, masks=masks)

    def allocate(
        self, budgets: Mapping[Unit, float], aims: Mapping[Unit, float] | None = None
    ) -> Allocation:
        """Spend shares of the dense costs, or `aims`, without changing the model.

        Raises:
            UserError: when a budget cannot be reached, or the model has no cost in its unit.
        """
        check_budgets(budgets)
        aims = aims or {}
        given = [Budget(share, self.cost(unit), aims.get(unit)) for unit, share in budgets.items()]
        return spend(given, self.layers, self.rankings, self.method.min_keep)

    @property
    def units(self) -> tuple[Unit, ...]:
        """Units that the model has costs in; multiply-accumulates it always has."""
        return ("flops",) if self.dense is None else ("cycles", "energy", "flops")

    def cost(self, unit: Unit) -> Cost:
        """The model's cost in a unit.

        Raises:
            UserError: when it has none.
        """
        if unit not in self._costs:
            self._costs.update({unit: self._flops()} if unit == "flops" else self._on_machine())
        return self._costs[unit]

    def curves(self) -> dict[str, NDArray[Any]]:
        """Of every layer NAME, index n being the state without its first n blocks.

        `NAME.order` (blocks) int64; float64 of (blocks + 1): `NAME.distortion`, `NAME.objective`,
        and in units that the network has costs in what the layer saves, about: `NAME.cycles_saved`
        and `NAME.energy_saved` (uJ), or `NAME.flops_saved`.
        """
        found: dict[str, NDArray[Any]] = {}
        for layer in self.layers:
            ranking = self.rankings[layer.name]
            curves = {
                "order": ranking.order,
                "distortion": ranking.distortion,
                "objective": ranking.objective,
            }
            for unit in self.units[:2]:
                curves[f"{unit}_saved"] = self.cost(unit).saved(layer, ranking.order)
            found |= {f"{layer.name}.{name}": values for name, values in curves.items()}
        return found

    def _on_machine(self) -> dict[Unit, Cost]:
        if self.dense is None:
            self.loaded.compilable()
            raise AssertionError("a model that compiles was not quantized")
        machine = Machine(self.dense, self.config)
        cycles = CycleCost(machine)
        return {"cycles": cycles, "energy": EnergyCost(machine, cycles)}

    def _flops(self) -> Cost:
        if self.dense is not None:
            return FlopCost.of_network(self.dense)
        return FlopCost.of_model(self.loaded.model, self.inputs[0])


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


def prepare(
    source: Source,
    method_name: str,
    block: BlockShape,
    config: ArrayConfig,
    objective: Objective = "method",
    units: Iterable[Unit] = ("cycles",),
    store: Store | None = None,
) -> Prepared:
    """Load the model, rank its blocks, and quantize it if it can be compiled.

    Args:
        units: those of the budgets to come: only in FLOPs has every model a cost.

    Raises:
        UserError: on any input that cannot be used.
    """
    check_block(block, config)
    method = method_named(method_name, block)
    to_compile = set(units) != {"flops"}
    loaded = load_model(source.model, source.checkpoint, source.seed, to_compile=to_compile)
    calibration = calibration_images(loaded, source.data, source.images, source.seed)
    compiles = why_not_compilable(loaded.model) is None
    dense = quantize(loaded, calibration[:_SHAPE_IMAGES], block) if compiles else None
    layers = prunable_layers(loaded.model, block)
    return rank(loaded, calibration, dense, method, config, layers, objective, store)


def rank(
    loaded: LoadedModel,
    calibration: Tensor,
    dense: Network | None,
    method: BlockMethod,
    config: ArrayConfig,
    layers: list[PrunableLayer],
    objective: Objective = "method",
    store: Store | None = None,
) -> Prepared:
    """Rank the blocks of a dense model; see `Prepared`."""
    prepared = Prepared(loaded, calibration, dense, method, config, layers, {}, store or Store())
    with accelerated(loaded.model) as device:
        inputs = prepared.inputs.to(device)
        rankings = method.rank(loaded.model, layers, inputs, prepared.store)
    return replace(prepared, rankings=with_objective(rankings, layers, objective))


def run(settings: Settings, aims: Mapping[Unit, float] | None = None) -> Pruned:
    """Prune as `settings` say; `aims` replace the targets of some budgets.

    Quantizing a pruned model can empty more tiles than its masks do: a value channel without
    weights is constant, and the projection behind it folds it into its bias. So the aims of the
    allocation are moved until the quantized network meets every budget, and spends those that bind.

    Raises:
        UserError: on any input that cannot be used, and when a budget cannot be reached.
    """
    prepared = prepare(
        settings.source,
        settings.method,
        settings.block,
        settings.config,
        settings.objective,
        settings.budgets,
    )
    loaded = prepared.loaded
    dense = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    limits: Mapping[Unit, float] = dict(aims or {})
    goals = {
        unit: limits.get(unit, share * prepared.cost(unit).dense)
        for unit, share in settings.budgets.items()
    }
    attempts = partial(_attempt, settings, prepared, dense)
    limits, tried = _approach(goals, limits, partial(attempts, refit=False), _ROUNDS)
    # Refitting may choose other blocks, of which quantization empties others.
    _, tried = _approach(goals, limits, partial(attempts, refit=True), _REFITS)
    allocation, network, predicted = tried.allocation, tried.network, tried.predicted
    report = _report(settings, prepared, allocation, predicted, aims)
    if network is not None:
        describe(network, report)
    return Pruned(network, loaded, allocation.masks, report, prepared.curves())


@dataclass(frozen=True)
class _Attempt:
    """Masks applied to the model, and what became of it."""

    allocation: Allocation
    network: Network | None
    predicted: Figures | None


def _approach(
    goals: Mapping[Unit, float],
    limits: Mapping[Unit, float],
    attempt: Callable[[Mapping[Unit, float]], _Attempt],
    rounds: int,
) -> tuple[Mapping[Unit, float], _Attempt]:
    """Move limits until an attempt within them meets the goals; the limits, and the attempt.

    Where blocks are too coarse for that: the last that kept to all goals, else the first.
    """
    fitting = limits
    for _ in range(rounds):
        tried = attempt(limits)
        missed = _missed(goals, tried)
        if not missed:
            return limits, tried
        if min(missed.values()) > 0:
            fitting = limits
        limits = {**limits, **{u: limits.get(u, goals[u]) + off for u, off in missed.items()}}
    return fitting, attempt(fitting)


def _attempt(
    settings: Settings,
    prepared: Prepared,
    dense: Mapping[str, Tensor],
    limits: Mapping[Unit, float],
    refit: bool,
) -> _Attempt:
    """Prune the model within `limits` and quantize it.

    Args:
        dense: its weights before pruning.
        refit: update the surviving weights, and calibrate with all images; otherwise the network
            is only good for counting.
    """
    loaded = prepared.loaded
    allocation = prepared.allocate(settings.budgets, limits)
    loaded.model.load_state_dict(dense)
    if refit:
        allocation = prepared.apply_(allocation)
    else:
        apply_masks_(loaded.model, allocation.masks)
    if prepared.dense is None:
        return _Attempt(allocation, None, None)
    images_from = calibration_source(loaded, settings.source.data)
    pixels = prepared.calibration if refit else prepared.calibration[:_SHAPE_IMAGES]
    network = quantize(loaded, pixels, settings.block, images_from)
    return _Attempt(allocation, network, figures(network, settings.config))


def _missed(goals: Mapping[Unit, float], tried: _Attempt) -> dict[Unit, float]:
    """What the quantized network leaves of budgets that bind, or takes above them (negative)."""
    found = tried.predicted.total if tried.predicted else {}
    missed = {unit: goal - found[unit] for unit, goal in goals.items() if unit in found}
    return {
        unit: off
        for unit, off in missed.items()
        if off < -TOLERANCE * goals[unit]
        or (tried.allocation.binding[unit] and off > _CLOSE_ENOUGH * goals[unit])
    }


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
    *(f"{kind}_{FIGURES[unit]}" for kind in ("dense", "target", "predicted") for unit in FIGURES),
)


def _report(
    settings: Settings,
    prepared: Prepared,
    allocation: Allocation,
    predicted: Figures | None,
    aims: Mapping[Unit, float] | None,
) -> dict[str, Any]:
    model = prepared.loaded.model
    dense = None if prepared.dense is None else figures(prepared.dense, settings.config)
    flops = prepared.cost("flops")
    report: dict[str, Any] = {
        "format": FORMAT_VERSION,
        **settings.to_dict(),
        "weights_source": prepared.loaded.weights_source,
        "compiled": dense is not None,
        "aims": dict(aims or {}),
        **totals(
            settings.budgets,
            {"flops": flops.dense, **(dense.total if dense else {})},
            {
                "flops": flops.total(allocation.masks),
                **(predicted.total if predicted else {}),
            },
        ),
        "optimality": optimality(allocation),
        "layers": layer_rows(allocation, dense, predicted),
        "left_dense": [
            {"name": name, "reason": reason} for name, reason in why_dense(model).items() if reason
        ],
    }
    if dense is None:
        report["why_not_compiled"] = why_not_compilable(model)
    if prepared.loaded.random:
        report["warning"] = RANDOM_WARNING
    return report


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
