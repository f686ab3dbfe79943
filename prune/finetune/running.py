"""A training under way: its progress, its states, its log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hw.artifacts import write_json
from hw.errors import UserError
from prune.finetune import checkpoint
from prune.finetune.images import LabelledImages
from prune.finetune.loop import Trainer


@dataclass(frozen=True)
class Running:
    """How to run, which leaves the result as it is."""

    resume: bool = False
    save_every: int = 100
    """Steps between two states."""
    workers: int | None = None
    """Processes that read images; None: half of the cores, at most 8."""

    def check(self, out: Path, folder: Path | None) -> None:
        """Refuse what cannot be run from `folder` into `out`.

        Raises:
            UserError: `save_every` is less than a step, `out` is the run that is trained, or an
                interrupted run is in the way.
        """
        if folder is not None and out.resolve() == folder.resolve():
            raise UserError(f"{out}: is the pruning run itself; choose another --out")
        if self.save_every < 1:
            raise UserError(f"save_every={self.save_every}: expected at least one step")
        if not self.resume:
            checkpoint.check_unused(out)

    def readers(self, images: LabelledImages) -> int:
        """Processes that read `images`."""
        if self.workers is not None:
            return self.workers
        return min((os.cpu_count() or 1) // 2, 8) if isinstance(images.files, list) else 0


@dataclass(frozen=True)
class Journal:
    """Where a training keeps its state and its log until it is finished."""

    out: Path
    file: str
    """Name of the log."""
    identity: Any
    log: dict[str, Any]
    extra: dict[str, Any]
    """Kept in the state beside the trainer's."""

    def save(self, trainer: Trainer) -> None:
        """Write the state, and the log so far; in the main process alone."""
        trainer.accelerator.wait_for_everyone()
        if trainer.accelerator.is_main_process:
            checkpoint.save(self.out, self.identity, {**trainer.state(), **self.extra})
            write_json(self.out / self.file, self.log | {"epochs": trainer.log})


def train(trainer: Trainer, journal: Journal, save_every: int, title: str) -> None:
    """Take all steps that are left, with a bar called `title`, and finish the student.

    Raises:
        UserError: a damaged image, or a loss that is no number.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    speed = TextColumn("{task.fields[speed]}")
    console = Console(quiet=not trainer.accelerator.is_main_process)
    with Progress(*columns, TimeRemainingColumn(), speed, console=console) as progress:
        task = progress.add_task(title, total=trainer.steps, completed=trainer.step, speed="")
        trainer.train(lambda: journal.save(trainer), save_every, progress, task)
    trainer.accelerator.wait_for_everyone()
    trainer.finish()
    journal.log["epochs"] = trainer.log
