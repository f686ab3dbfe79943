"""Float top-1 of the demo on the 10000 test images: `python -m prune.demo.evaluate --data DIR`."""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import nn

from prune.demo import WEIGHTS_PATH, normalize
from prune.demo.checkpoint import load_demo
from prune.demo.cli import one_line_errors
from prune.demo.fashion import download as download_fashion
from prune.demo.fashion import load_split

_BATCH = 500


@torch.inference_mode()
def top1(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of uint8 images (N, 28, 28) that `model` labels as in `labels` (N,)."""
    model.eval()
    correct = 0
    for start in range(0, len(images), _BATCH):
        guess = model(normalize(images[start : start + _BATCH])).argmax(1).numpy()
        correct += int((guess == labels[start : start + _BATCH]).sum())
    return correct / len(images)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the four Fashion-MNIST IDX files.")],
    checkpoint: Annotated[Path, typer.Option(help="Weights to evaluate.")] = WEIGHTS_PATH,
    download: Annotated[bool, typer.Option(help="Fetch the data set into DATA first.")] = False,
) -> None:
    """Print the float model's top-1 accuracy on the full test set."""
    with one_line_errors():
        images, labels = load_split(download_fashion(data) if download else data, "test")
        model = load_demo(checkpoint)
    accuracy = top1(model, images, labels)
    typer.echo(f"top-1 {accuracy:.2%} ({round(accuracy * len(images))} of {len(images)} images)")


if __name__ == "__main__":
    typer.run(main)
