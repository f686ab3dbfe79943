"""Top-1 on held-out images, shared among the processes."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import nn

from prune.data import Fit
from prune.finetune.draws import load
from prune.finetune.images import FittedImages, LabelledImages
from prune.models import LoadedModel

_BATCH = 64


@torch.no_grad()
def top1(
    model: nn.Module,
    images: LabelledImages,
    preprocessing: LoadedModel,
    accelerator: Accelerator,
    workers: int,
) -> float | None:
    """Share of `images` that `model` labels right; None without any.

    Args:
        model: in evaluation mode, on the accelerator's device.
        images: the same in every process.
        preprocessing: the model whose size, mean and deviation the images get.
        accelerator: of this process.
        workers: processes that read images.

    Raises:
        UserError: an image is damaged.
    """
    if not len(images):
        return None
    mine = range(accelerator.process_index, len(images), accelerator.num_processes)
    fitted = FittedImages(images, Fit.of(preprocessing))
    hits = torch.zeros((), device=accelerator.device)
    mean, std = (
        torch.tensor(values, device=hits.device).view(-1, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    dtype = next(model.parameters()).dtype
    for pixels, labels in load(fitted, accelerator, workers, batch_size=_BATCH, sampler=mine):
        with accelerator.autocast():
            logits = model(((pixels.float() / 255 - mean) / std).to(dtype))
        hits += (logits.argmax(-1) == labels).sum()
    return accelerator.reduce(hits, "sum").item() / len(images)
