"""The last step of selectors: thresholds that meet a budget, and the artifacts of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hw.errors import UserError
from prune.finetune.images import labelled_images
from prune.finetune.pruning_run import PruningRun, read_run
from prune.finetune.run import write_trained
from prune.finetune.running import Running
from prune.prepared import SHAPE_IMAGES
from prune.quantize import normalize, quantize
from prune.tokens.access import selectors_of
from prune.tokens.exact import ImageCycles
from prune.tokens.files import describe_selectors
from prune.tokens.levels import live_at, meet_budget, set_thresholds
from prune.tokens.live import image_counts
from prune.tokens.samples import Samples
from sim.live import LiveCounts

LOG = "tokens.json"


def settle(
    run: PruningRun, share: float, samples: Tensor, thresholds: Sequence[float]
) -> tuple[dict[str, Any], list[LiveCounts]]:
    """Shift the thresholds so that the mean image meets the budget.

    Args:
        run: with selectors.
        share: of the dense model's cycles.
        samples: normalized images (N, C, H, W).
        thresholds: to start from, one a selector.

    Returns:
        What was found, and the live tokens of every image, as the cycle model takes them.
    """
    model: Any = run.student.model
    network = quantize(run.student, run.calibration[:SHAPE_IMAGES], run.settings.block)
    cycles = ImageCycles(network, run.settings.config)
    target = share * run.report["dense_cycles"]
    thresholds = meet_budget(
        thresholds, lambda levels: live_at(model, samples, levels), cycles, target
    )
    set_thresholds(model, thresholds)
    live = live_at(model, samples, thresholds)
    found = {
        "images": len(samples),
        "thresholds": thresholds,
        "live_tokens": named({block: float(tokens.mean()) for block, tokens in live.items()}),
        "mean_cycles": float(cycles(live).mean()),
        "target_cycles": target,
    }
    return found, image_counts(live)


def write_selected(
    run: PruningRun, share: float, log: dict[str, Any], out: Path, live: list[LiveCounts]
) -> dict[str, Any]:
    """Write a run with settled selectors; the report, as in `pruned.json`.

    Args:
        run: with selectors.
        share: of the dense model's cycles, their budget.
        log: of the training, with what `settle` found under `levels`.
        out: folder.
        live: of the images that `settle` saw.
    """
    student = run.student
    entries = {
        "budgets": {"cycles": share},
        "target_cycles": round(log["levels"]["target_cycles"]),
        "selectors": describe_selectors(student.model, normalize(student, run.calibration)),
        "tokens": log,
    }
    return write_trained(run, entries, out, LOG, live)


def retarget(folder: Path, data: Path, out: Path, share: float, images: int) -> dict[str, Any]:
    """Give the trained selectors of a run thresholds for another budget; nothing is trained.

    Args:
        folder: of `train_selectors`.
        data: training images.
        out: another folder.
        share: of the dense model's cycles that the mean image may take.
        images: so many of `data`, a seeded choice, which the budget is met on.

    Returns:
        The report, as in `pruned.json`.

    Raises:
        UserError: on any input that cannot be used.
    """
    if not 0 < share <= 1 or images < 1:
        raise UserError(
            f"cycles={share} images={images}: expected a share in (0, 1] and at least one image"
        )
    Running().check(out, folder)
    run = read_run(folder)
    selectors = selectors_of(run.student.model)
    if not selectors or "tokens" not in run.report:
        raise UserError(
            f"{folder}: no selectors were trained here; give a folder of `python -m prune tokens`"
        )
    pictures = labelled_images(run.student, data)
    samples = Samples.of(run.student, pictures, images, run.settings.source.seed).images
    thresholds = [selector.threshold for selector in selectors.values()]
    levels, live = settle(run, share, samples, thresholds)
    settled = ("levels", "held_out_after")
    trained = {key: value for key, value in run.report["tokens"].items() if key not in settled}
    log = trained | {"levels": levels, "retargeted_from": folder.name}
    return write_selected(run, share, log, out, live)


def named(values: Mapping[int, float]) -> dict[str, float]:
    """By the block's number, as JSON has it."""
    return {str(block): value for block, value in values.items()}
