"""A model that is loaded, ranked and priced, before any budget is spent on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from hw.config import ArrayConfig
from hw.ir import Network
from prune.allocation.budget import Budget, Cost, Unit, check_budgets
from prune.allocation.flops import FlopCost
from prune.allocation.price import CycleCost, EnergyCost, Machine
from prune.allocation.spend import Allocation, spend
from prune.blocks import (
    BlockShape,
    PrunableLayer,
    check_block,
    prunable_layers,
)
from prune.calibration.store import Store, fingerprint
from prune.data import calibration_images
from prune.device import accelerated, multiplicand
from prune.methods import BlockMethod, Ranking, method_named
from prune.methods.power import Objective, with_objective
from prune.models import LoadedModel
from prune.models.support import why_not_compilable
from prune.quantize import normalize, quantize
from prune.selected import LIVE_IMAGES, Selected, load_source, mean_live, without_selectors
from prune.settings import Source
from prune.tokens.access import same_shapes, selectors_of
from prune.tokens.live import live_counts
from sim.live import LiveCounts

SHAPE_IMAGES = 2
"""Images that calibrate a network of which only shapes and zeros count."""


@dataclass(frozen=True)
class Prepared:
    """A ranked model: what every budget spent on it has in common."""

    loaded: LoadedModel
    calibration: Tensor
    """(N, channels, height, width), pixels in [0, 1]."""
    dense: Network | None
    """Quantized before pruning, with its token selectors; None: the model has no integer form.
    Only shapes and zeros count, so few images calibrated it."""
    method: BlockMethod
    config: ArrayConfig
    layers: list[PrunableLayer]
    rankings: dict[str, Ranking]
    store: Store = field(default_factory=Store)
    """Of what the method has finished."""
    selected: Selected | None = None
    """Of a model with token selectors that has an integer form."""
    _costs: dict[Unit, Cost] = field(default_factory=dict, repr=False)

    @property
    def plain(self) -> Network | None:
        """The dense network without its selectors: what budgets are shares of."""
        return self.dense if self.selected is None else self.selected.plain

    @property
    def inputs(self) -> Tensor:
        """The calibration images as the model takes them."""
        return normalize(self.loaded, self.calibration)

    def apply_(self, allocation: Allocation) -> Allocation:
        """Prune the dense model in place as allocated, with the masks that hold then."""
        method, model = self.method, self.loaded.model
        with accelerated(model, method.bf16) as device, same_shapes(model):
            inputs = multiplicand(self.inputs, device)
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

    def live(self) -> list[LiveCounts]:
        """Tokens that the selectors leave of each calibration image, as the model is now."""
        return live_counts(self.loaded.model, self.inputs[:LIVE_IMAGES])

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
        assert self.dense is not None, "a model that compiles was not quantized"
        assert self.plain is not None
        plain = Machine(self.plain, self.config)
        cycles = CycleCost(plain)
        energy = EnergyCost(plain, cycles)
        if self.selected is not None:
            machine = Machine(self.dense, self.config, self.selected.live)
            cycles = CycleCost(machine, cycles.dense)
            energy = EnergyCost(machine, cycles, energy.dense)
        return {"cycles": cycles, "energy": energy}

    def _flops(self) -> Cost:
        if self.selected is not None and self.dense is not None:
            whole = FlopCost.of_network(self.selected.plain).dense
            return FlopCost.of_network(self.dense, self.selected.live, whole)
        if self.dense is not None:
            return FlopCost.of_network(self.dense)
        return FlopCost.of_model(self.loaded.model, self.inputs[0])


def prepare(
    source: Source,
    method_name: str,
    block: BlockShape,
    config: ArrayConfig,
    objective: Objective = "method",
    units: Iterable[Unit] = ("cycles",),
    progress: Store | None = None,
) -> Prepared:
    """Load the model, rank its blocks, and quantize it if it can be compiled.

    Args:
        units: those of the budgets to come: only in FLOPs has every model a cost.
        progress: keeps the layers that are finished, so that an interrupted run goes on.

    Raises:
        UserError: on any input that cannot be used.
    """
    check_block(block, config)
    method = method_named(method_name, block)
    to_compile = set(units) != {"flops"}
    loaded = load_source(source, to_compile)
    calibration = calibration_images(loaded, source.data, source.images, source.seed)
    if progress is not None and progress.folder is not None:
        progress = progress.part(fingerprint(loaded.model, calibration, [method]))
    compiles = why_not_compilable(loaded.model) is None
    dense = quantize(loaded, calibration[:SHAPE_IMAGES], block) if compiles else None
    layers = prunable_layers(loaded.model, block)
    prepared = rank(loaded, calibration, dense, method, config, layers, objective, progress)
    if dense is None or not selectors_of(loaded.model):
        return prepared
    plain = quantize(without_selectors(loaded), calibration[:SHAPE_IMAGES], block)
    return replace(prepared, selected=Selected(plain, mean_live(prepared.live())))


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
    with accelerated(loaded.model, method.bf16) as device, same_shapes(loaded.model):
        inputs = multiplicand(prepared.inputs, device)
        rankings = method.rank(loaded.model, layers, inputs, prepared.store)
    return replace(prepared, rankings=with_objective(rankings, layers, objective))
