"""Closing the loop: measured cycles against the prediction and the budget, round by round."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.artifacts import read_json, write_json
from hw.errors import UserError
from prune.allocation.budget import Unit
from prune.pipeline import run
from prune.run_folder import Pruned, read_report
from prune.settings import Settings

DEVIATION_PERCENT = 1.0
"""A measurement further from the budget than this asks for another round."""
_SIMULATE = "run the simulation again"


@dataclass(frozen=True)
class Round:
    """One pruning and its measurement; cycles of the whole network."""

    round: int
    budgets: dict[Unit, float]
    """Shares of the dense costs."""
    binding: bool
    """Whether the budget in cycles decided what went, and not another one."""
    target_cycles: int | None
    """The budget in cycles; None when there is none."""
    predicted_cycles: int
    measured_cycles: int
    selected: bool = False
    """Whether tokens are selected, so that cycles differ from image to image: the prediction is the
    mean of many, the measurement of one."""

    @property
    def deviation_percent(self) -> float | None:
        """Of the measurement from the budget."""
        if self.target_cycles is None:
            return None
        return 100 * (self.measured_cycles - self.target_cycles) / self.target_cycles

    @property
    def model_error_percent(self) -> float:
        """Of the prediction from the measurement."""
        return 100 * (self.predicted_cycles - self.measured_cycles) / self.measured_cycles

    @property
    def needs_another(self) -> bool:
        """Whether a corrected aim would bring the measurement closer to the budget.

        Not when the prediction was right: what remains then is the size of a block. Cycles below a
        budget that did not bind are another budget's doing. What one image takes says nothing about
        a mean.
        """
        if self.deviation_percent is None or self.measured_cycles == self.predicted_cycles:
            return False
        if self.selected:
            return False
        over, under = self.deviation_percent, -self.deviation_percent
        return over > DEVIATION_PERCENT or (self.binding and under > DEVIATION_PERCENT)

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "deviation_percent": self.deviation_percent,
            "model_error_percent": self.model_error_percent,
        }


def read_rounds(out: Path) -> list[Round]:
    """The rounds logged in `out`, oldest first."""
    path = out / "loop.json"
    if not path.exists():
        return []
    names = Round.__dataclass_fields__
    try:
        entries = read_json(path, "the log of rounds", "delete it")["rounds"]
        return [
            Round(**{name: entry[name] for name in names if name in entry}) for entry in entries
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a log of rounds ({error}); delete it") from error


def log_measurement(out: Path) -> list[Round]:
    """Append the measurement in `out/cycles.json` to `out/loop.json`; all rounds, oldest first.

    A measurement that is already the last of the log is not repeated.

    Raises:
        UserError: when a file is missing or damaged, or the measurement is not of this pruning.
    """
    report = read_report(out)
    if "why_not_compiled" in report:
        raise UserError(f"{out}: not compiled ({report['why_not_compiled']}), so nothing to close")
    measured = _measured_cycles(out, report)
    rounds = read_rounds(out)
    try:
        found = Round(
            round=len(rounds) + 1,
            budgets=report["budgets"],
            binding=report["optimality"]["binding"].get("cycles", False),
            target_cycles=report["target_cycles"],
            predicted_cycles=report["predicted_cycles"],
            measured_cycles=measured,
            selected=bool(report.get("selectors")),
        )
    except KeyError as error:
        raise UserError(f"{out}/pruned.json: {error} is missing; prune again") from error
    if rounds and asdict(rounds[-1]) == asdict(found) | {"round": rounds[-1].round}:
        return rounds
    rounds.append(found)
    write_json(out / "loop.json", {"rounds": [entry.to_dict() for entry in rounds]})
    return rounds


def _measured_cycles(out: Path, report: dict[str, Any]) -> int:
    path = out / "cycles.json"
    cycles = read_json(path, "measured cycles", _SIMULATE)
    if not isinstance(cycles, dict) or not isinstance(cycles.get("total_cycles"), int):
        raise UserError(f"{path}: expected an object with total_cycles; {_SIMULATE}")
    if cycles["total_cycles"] < 1:
        raise UserError(f"{path}: total_cycles={cycles['total_cycles']}; {_SIMULATE}")
    if cycles.get("config", report["config"]) != report["config"]:
        raise UserError(
            f"{path}: measured on another array than {out}/pruned.json was pruned for; {_SIMULATE}"
        )
    network = out / "network.json"
    if network.exists() and network.stat().st_mtime_ns > path.stat().st_mtime_ns:
        raise UserError(f"{path}: older than {network}, so not its measurement; {_SIMULATE}")
    return cycles["total_cycles"]


def reprune(out: Path, last: Round) -> Pruned:
    """Prune again with the budget's target corrected by the last round's prediction error."""
    report = read_report(out)
    if "finetune" in report:
        raise UserError(f"{out}: finetuned; prune again to another budget, and finetune that")
    try:
        settings = Settings.from_dict(report)
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f"{out}/pruned.json: damaged ({error}); prune again") from error
    target = settings.budgets["cycles"] * report["dense_cycles"]
    aim = target * last.predicted_cycles / last.measured_cycles
    return run(settings, aims={"cycles": aim})


def forget(out: Path) -> None:
    """Start a new log: an earlier pruning's rounds are not this one's."""
    (out / "loop.json").unlink(missing_ok=True)
