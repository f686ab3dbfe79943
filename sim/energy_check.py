"""The energy model's counts against the RTL: two small networks that differ in kept blocks only."""

from __future__ import annotations

from dataclasses import dataclass

from hw.config import ArrayConfig
from hw.program.compiler import compile_network
from sim.activity import Activity, operation_activities
from sim.benches.random_network import Shape, random_network
from sim.machine.run import Case
from sim.machine.saif import PERIOD, record_case
from sim.saif import Saif

CONFIG = ArrayConfig(rows=8, cols=8, acc_depth=64, act_words=4096, wide_words=4096)
DENSITIES = (0.25, 0.75)


@dataclass(frozen=True)
class Compared:
    """One quantity of the two networks: as recorded, and as the model has it."""

    name: str
    recorded: tuple[int, int]
    modelled: tuple[int, int]
    exact: bool
    """Whether both count the same; else only their ratios can be compared."""

    @property
    def recorded_ratio(self) -> float:
        return self.recorded[1] / self.recorded[0]

    @property
    def modelled_ratio(self) -> float:
        return self.modelled[1] / self.modelled[0]


def accesses(saif: Saif) -> dict[str, int]:
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


def compare() -> list[Compared]:
    """Record both networks and count them.

    Raises:
        UserError: when tools are missing, the build fails or a run does.
    """
    recorded: list[dict[str, int]] = []
    modelled: list[dict[str, int]] = []
    toggles, macs = [], []
    for density in DENSITIES:
        shape = Shape(
            tokens=40, head_features=16, hidden=128, block=(CONFIG.cols, CONFIG.rows),
            density=density, prefix=1,
        )  # fmt: skip
        network, tensors = random_network(shape)
        program = compile_network(network, CONFIG)
        saif = record_case(Case(network, program, tensors))
        found = operation_activities(network, program.schedule, program.kept)
        activity = sum(found.values(), Activity())
        recorded.append(accesses(saif))
        modelled.append(modelled_accesses(activity, CONFIG))
        toggles.append(saif.toggles("u_array"))
        macs.append(activity.macs)
    rows = [
        Compared(
            name,
            (recorded[0][name], recorded[1][name]),
            (modelled[0][name], modelled[1][name]),
            True,
        )
        for name in recorded[0]
    ]
    array = Compared(
        "array: toggles; products", (toggles[0], toggles[1]), (macs[0], macs[1]), False
    )
    return [*rows, array]
