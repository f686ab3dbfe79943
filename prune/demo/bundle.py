"""Make the committed files: `python -m prune.demo.bundle --data DIR --checkpoint FILE`."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from safetensors import safe_open

from hw.artifacts import write_tensors
from prune.demo import CLASSES, IMAGES_PATH, WEIGHTS_PATH
from prune.demo.checkpoint import load_demo, save_weights
from prune.demo.cli import one_line_errors
from prune.demo.evaluate import top1
from prune.demo.fashion import load_split

TEST_PER_CLASS = 100
CALIBRATION_IMAGES = 256
_SEED = 2017


def balanced_indices(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (count,) of a random sample in random order, equal per class to within one."""
    share, extra = divmod(count, len(CLASSES))
    chosen = [
        rng.choice(np.flatnonzero(labels == label), share + (label < extra), replace=False)
        for label in range(len(CLASSES))
    ]
    return rng.permutation(np.concatenate(chosen))


def main(
    data: Annotated[Path, typer.Option(help="Folder of the four Fashion-MNIST IDX files.")],
    checkpoint: Annotated[Path, typer.Option(help="Weights from prune.demo.train.")],
) -> None:
    """Measure the checkpoint on the full test set and write both bundled files."""
    with one_line_errors():
        train_images, train_labels = load_split(data, "train")
        test_images, test_labels = load_split(data, "test")
        model = load_demo(checkpoint)

    rng = np.random.default_rng(_SEED)
    calibration = balanced_indices(train_labels, CALIBRATION_IMAGES, rng)
    test = balanced_indices(test_labels, TEST_PER_CLASS * len(CLASSES), rng)
    arrays = {
        "calibration.images": train_images[calibration],
        "calibration.labels": train_labels[calibration].astype(np.uint8),
        "test.images": test_images[test],
        "test.labels": test_labels[test].astype(np.uint8),
    }
    with one_line_errors():
        write_tensors(IMAGES_PATH, arrays)

    with safe_open(checkpoint, "numpy") as file:
        metadata = dict(file.metadata() or {})
    accuracy = top1(model, test_images, test_labels)
    metadata["test_top1"] = f"{accuracy:.4f}"
    with one_line_errors():
        save_weights(model, WEIGHTS_PATH, metadata)
    for path in (IMAGES_PATH, WEIGHTS_PATH):
        typer.echo(f"{path.name}: {path.stat().st_size} bytes")
    typer.echo(f"top-1 {accuracy:.2%} on the full test set")


if __name__ == "__main__":
    typer.run(main)
