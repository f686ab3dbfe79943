"""Which images a step takes, and reading them: the same however a run is interrupted.

Every image's augmentation has a seed of its own, made of the run's seed, the epoch and the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hw.errors import UserError

Draw = tuple[int, int]
"""An image's index, and the seed of its augmentation."""


@dataclass(frozen=True)
class Batches(Sampler[list[Draw]]):
    """What one process draws in the steps from `start` to `stop`, over the ends of epochs."""

    images: int
    batch_size: int
    """Over all processes."""
    seed: int
    start: int
    stop: int
    rank: int = 0
    processes: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return self.images // self.batch_size

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, order = -1, np.arange(0)
        for step in range(self.start, self.stop):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = np.random.default_rng((self.seed, epoch)).permutation(self.images)
            first = step % self.steps_per_epoch * self.batch_size
            chosen = order[first : first + self.batch_size][self.rank :: self.processes]
            yield [(int(i), seed_of(self.seed, epoch, int(i))) for i in chosen]


def seed_of(*parts: int) -> int:
    """A 32-bit seed made of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def load(
    images: Dataset[Any], accelerator: Accelerator, workers: int, **sampling: Any
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of images and labels on the accelerator's device.

    Args:
        images: whose items may be errors.
        accelerator: of this process.
        workers: processes that read images; 0: none but this one.
        sampling: what `DataLoader` needs to choose the batches.

    Raises:
        UserError: an image is damaged.
    """
    device = accelerator.device
    on_gpu = device.type == "cuda"
    loader = DataLoader(
        images, num_workers=workers, collate_fn=collate, pin_memory=on_gpu, **sampling
    )
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        pixels, labels = (part.to(device, non_blocking=True) for part in batch)
        yield pixels, labels


def collate(items: list[tuple[Tensor, int] | UserError]) -> tuple[Tensor, Tensor] | UserError:
    """A batch, or the first error in it: raised in a worker, it would come with a traceback."""
    pixels, labels = [], []
    for item in items:
        if isinstance(item, UserError):
            return item
        pixels.append(item[0])
        labels.append(item[1])
    return torch.stack(pixels), torch.tensor(labels)
