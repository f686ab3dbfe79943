"""The energy model's counts against the RTL.

Small networks that differ in the kept blocks of one layer only, so that everything else, data
included, is the same. The model says that each of its blocks costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hw.config import ArrayConfig
from hw.program.compiler import compile_network
from sim.activity import Activity, operation_activities
from sim.benches.random_network import Shape, random_network
from sim.live import counted
from sim.machine.run import Case
from sim.machine.saif import PERIOD, record_case
from sim.saif import Saif

CONFIG = ArrayConfig(rows=8, cols=8, acc_depth=64, act_words=4096, wide_words=4096)
LAYER = "fc2"
DENSITIES = (0.25, 0.5, 1.0)
"""Of that layer's blocks; those of the others are half kept."""
KEPT = 0.6
"""Share of the tokens that a selector before that layer keeps."""


@dataclass(frozen=True)
class Accesses:
    """How often a port is used in each network: as recorded, and as the model counts it."""

    name: str
    recorded: tuple[int, ...]
    modelled: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """What was recorded, network by network."""

    accesses: tuple[Accesses, ...]
    toggles: tuple[int, ...]
    """Of all signals of the array."""
    macs: tuple[int, ...]

    @property
    def toggles_per_mac(self) -> tuple[float, ...]:
        """Of the products that each network has more than the one before."""
        pairs = list(zip(self.toggles, self.macs, strict=True))
        return tuple((b[0] - a[0]) / (b[1] - a[1]) for a, b in pairwise(pairs))


def recorded_accesses(saif: Saif) -> dict[str, int]:
    """Accesses of the memories, in cycles."""
    signals = {
        "features, tokens read": "u_features/a_read_i",
        "features, written": "u_features/write_i",
        "normal, read": "u_normal/read_i",
        "normal, written": "u_normal/write_i",
        "sums, read": "u_sums/read_i",
        "sums, written": "u_sums/write_i",
        "residual, read": "u_residual/read_i",
        "residual, written": "u_residual/write_i",
        "accumulators, results read": "u_accumulator/read_i",
    }
    return {name: saif.net(f"u_core/{path}").high // PERIOD for name, path in signals.items()}


def modelled_accesses(activity: Activity, config: ArrayConfig) -> dict[str, int]:
    """The same from activity counts; words and array slices must be of one size."""
    word = 8 * config.word_bytes
    sums = config.cols * 32
    return {
        "features, tokens read": activity.features_read // word,
        "features, written": activity.features_written // word,
        "normal, read": activity.normal_read // word,
        "normal, written": activity.normal_written // word,
        "sums, read": activity.sums_read // (2 * word),
        "sums, written": activity.sums_written // (2 * word),
        "residual, read": activity.residual_read // (2 * word),
        "residual, written": activity.residual_written // (2 * word),
        "accumulators, results read": (activity.accumulator_read - activity.accumulator_written)
        // sums,
    }


def compare() -> Comparison:
    """Record and count all networks.

    Raises:
        UserError: when tools are missing, the build fails or a run does.
    """
    recorded: list[dict[str, int]] = []
    modelled: list[dict[str, int]] = []
    toggles, macs = [], []
    for density in DENSITIES:
        shape = Shape(
            tokens=40, head_features=16, hidden=256, block=(CONFIG.cols, CONFIG.rows),
            densities={LAYER: density}, prefix=1, selectors=(0,), kept=(KEPT,),
        )  # fmt: skip
        network, tensors = random_network(shape)
        program = compile_network(network, CONFIG)
        saif = record_case(Case(network, program, tensors))
        live = counted(network, tensors)
        found = operation_activities(network, program.schedule, program.kept, live)
        activity = sum(found.values(), Activity())
        recorded.append(recorded_accesses(saif))
        modelled.append(modelled_accesses(activity, CONFIG))
        toggles.append(saif.toggles("u_array"))
        macs.append(activity.macs)
    ports = tuple(
        Accesses(name, tuple(r[name] for r in recorded), tuple(m[name] for m in modelled))
        for name in recorded[0]
    )
    return Comparison(ports, tuple(toggles), tuple(macs))
