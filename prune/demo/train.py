"""Train the demo on Fashion-MNIST: `python -m prune.demo.train --data DIR`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from timm.optim import param_groups_weight_decay
from torch import Tensor, nn

from prune.demo import build_demo, normalize
from prune.demo.checkpoint import save_weights
from prune.demo.cli import one_line_errors
from prune.demo.evaluate import top1
from prune.demo.fashion import download as download_fashion
from prune.demo.fashion import load_split
from prune.training_state import load_state, save_state

_HELD_OUT = 2000
_MAX_SHIFT = 2


@dataclass(frozen=True)
class Recipe:
    """What decides the trained weights; a resumed run must use the same one.

    The last `plain_epochs` see the images as they are, neither shifted nor mirrored.
    """

    epochs: int
    seed: int
    batch_size: int = 128
    peak_lr: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    warmup_fraction: float = 0.15
    gradient_clip: float = 1.0
    plain_epochs: int = 5


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift every image (B, 1, H, W) by up to 2 pixels each way and mirror half of them."""
    batch, _, height, width = images.shape
    # Normalised background is the darkest value, so pad with the batch's minimum.
    padded = F.pad(images, (_MAX_SHIFT,) * 4, value=float(images.min()))[:, 0]
    shift = torch.randint(0, 2 * _MAX_SHIFT + 1, (2, batch, 1), generator=generator)
    rows = shift[0] + torch.arange(height)  # (B, H)
    columns = shift[1] + torch.arange(width)  # (B, W)
    mirrored = torch.rand(batch, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    sample = torch.arange(batch)[:, None, None]
    return padded[sample, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


class Trainer:
    """The demo, its optimizer and schedule, and the number of epochs done."""

    def __init__(self, recipe: Recipe, samples: int) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.epoch = 0
        self.model = build_demo()
        self.steps_per_epoch = samples // recipe.batch_size
        self.optimizer = torch.optim.AdamW(
            param_groups_weight_decay(
                self.model,
                recipe.weight_decay,
                no_weight_decay_list=self.model.no_weight_decay(),
            ),
            lr=recipe.peak_lr,
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            recipe.peak_lr,
            total_steps=recipe.epochs * self.steps_per_epoch,
            pct_start=recipe.warmup_fraction,
        )

    def train_epoch(self, images: Tensor, labels: Tensor, progress: Progress) -> float:
        """One pass over images (N, 1, 28, 28) and labels (N,); returns the mean loss."""
        # A generator per epoch makes a resumed run draw what an uninterrupted one would.
        generator = torch.Generator().manual_seed(self.recipe.seed * 10_000 + self.epoch)
        order = torch.randperm(len(images), generator=generator)
        augmented = self.epoch < self.recipe.epochs - self.recipe.plain_epochs
        task = progress.add_task(f"epoch {self.epoch + 1}", total=self.steps_per_epoch)
        self.model.train()
        total = 0.0
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.recipe.batch_size : (step + 1) * self.recipe.batch_size]
            batch = images[chosen]
            logits = self.model(augment(batch, generator) if augmented else batch)
            loss = F.cross_entropy(
                logits, labels[chosen], label_smoothing=self.recipe.label_smoothing
            )
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.gradient_clip)
            self.optimizer.step()
            self.schedule.step()
            total += loss.item()
            progress.advance(task)
        progress.remove_task(task)
        self.epoch += 1
        return total / self.steps_per_epoch

    def save_state(self, path: Path) -> None:
        """Write all a resumed run needs into one file, so that its parts cannot disagree.

        Raises:
            UserError: the file cannot be written.
        """
        state = {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        save_state(path, state)

    def load_state(self, path: Path) -> None:
        """Continue from `path`.

        Raises:
            UserError: there is nothing to resume, or the file is damaged.
            ValueError: the file was written by a run with another recipe.
        """
        state = load_state(path)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(
                f"{path}: expected the recipe {asdict(self.recipe)}, found {state['recipe']}; "
                "pass the interrupted run's options or run without --resume"
            )
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])


def main(
    data: Annotated[Path, typer.Option(help="Folder of the four Fashion-MNIST IDX files.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write.")] = Path(
        "build/demo/vit_fashion.safetensors"
    ),
    epochs: Annotated[int, typer.Option(min=1)] = 11,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[bool, typer.Option(help="Continue an interrupted run.")] = False,
    download: Annotated[bool, typer.Option(help="Fetch the data set into DATA first.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all.")] = 0,
) -> None:
    """Train the demo model; saves after every epoch and can be resumed."""
    if threads:
        torch.set_num_threads(threads)
    state_path = out.with_suffix(".state.pt")
    with one_line_errors():
        raw_images, raw_labels = load_split(download_fashion(data) if download else data, "train")
        # The last training images are held out to show progress, so the test set stays unseen.
        images, labels = normalize(raw_images[:-_HELD_OUT]), torch.from_numpy(raw_labels)
        trainer = Trainer(Recipe(epochs, seed), len(images))
        if resume:
            trainer.load_state(state_path)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console()) as progress:
        while trainer.epoch < epochs:
            loss = trainer.train_epoch(images, labels, progress)
            held_out = top1(trainer.model, raw_images[-_HELD_OUT:], raw_labels[-_HELD_OUT:])
            with one_line_errors():
                trainer.save_state(state_path)
                save_weights(trainer.model, out, {"epochs": str(trainer.epoch), "seed": str(seed)})
            progress.console.print(
                f"epoch {trainer.epoch}/{epochs}: loss {loss:.4f}, held-out top-1 {held_out:.2%}"
            )


if __name__ == "__main__":
    typer.run(main)
