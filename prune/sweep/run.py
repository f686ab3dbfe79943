"""`sweep`: rank once, then prune to every share and measure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hw.errors import UserError
from hw.ir import Network
from prune.accuracy import TestSet, measure
from prune.blocks import BlockMask, BlockShape, apply_masks_, prunable_layers
from prune.data import calibration_source
from prune.methods import BlockMethod, method_named
from prune.models import LoadedModel, load_model
from prune.pipeline import Prepared
from prune.pruning import Allocation
from prune.quantize import normalize, quantize
from prune.sweep.evaluate import Engine
from prune.sweep.images import (
    TestImages,
    check_disjoint,
    check_draws,
    check_folders,
    digest,
    draw_calibration,
    read_test_images,
)
from prune.sweep.log import Log, Point
from prune.sweep.plan import Plan

LOG = "sweep.json"
_SHAPE_IMAGES = 2


@dataclass(frozen=True)
class _Bench:
    """What every point of a sweep needs."""

    plan: Plan
    loaded: LoadedModel
    state: dict[str, Tensor]
    """The dense weights."""
    test: TestImages
    draws: list[Tensor]
    """Calibration images of each draw, pixels in [0, 1]."""
    engine: Engine

    networks: dict[BlockShape, Network] = field(default_factory=dict)
    """The dense integer networks, which only count cycles, as they are needed."""

    def restore(self) -> None:
        self.loaded.model.load_state_dict(self.state)

    def inputs(self, draw: int) -> Tensor:
        """The normalized calibration images of a draw, where the model runs."""
        return normalize(self.loaded, self.draws[draw]).to(self.engine.device)

    def network(self, block: BlockShape) -> Network:
        if block not in self.networks:
            self.restore()
            self.loaded.model.to("cpu")
            few = self.draws[0][:_SHAPE_IMAGES]
            self.networks[block] = quantize(self.loaded, few, block)
        return self.networks[block]


class Progress:
    """Says how far a sweep is; this one says nothing."""

    def begin(self, total: int, finished: int) -> None:
        """Called once, with the number of points and how many of them an earlier sweep left."""

    def working(self, what: str) -> AbstractContextManager[None]:
        """Around a stretch of work."""
        return nullcontext()

    def done(self, point: Point) -> None:
        """Called after every point."""


def sweep(plan: Plan, out: Path, bf16: bool | None = None, progress: Progress | None = None) -> Log:
    """Measure every point of `plan` that `out/sweep.json` does not hold yet.

    Args:
        plan: what to measure.
        out: folder of `sweep.json`.
        bf16: precision of the float model; None: bfloat16 where the processor computes in it.
        progress: is told how far it is.

    Raises:
        UserError: on any input that cannot be used, test images among the calibration images, or a
            log of other settings.
    """
    progress = progress or Progress()
    check_folders(plan.data, plan.test)
    with progress.working("loading"):
        bench = _set_up(plan, Engine.choose(bf16))
        log = Log(out / LOG, _settings(bench))
    log.disjoint = {
        "shared_files": 0,
        "equal_images": 0,
        "compared": f"{plan.draws} x {len(bench.draws[0])} calibration images with "
        f"{len(bench.test.labels)} test images",
    }
    points = list(_points(bench))
    missing = [point for point in points if not log.holds(point, plan.int8)]
    progress.begin(len(points), len(points) - len(missing))
    if log.dense.get("int8_top1" if plan.int8 else "top1") is None:
        with progress.working("dense"):
            log.dense = _measure_dense(bench)
            log.write()
    for block, method, draw in dict.fromkeys((p.block, p.method, p.draw) for p in missing):
        wanted = [p for p in missing if (p.block, p.method, p.draw) == (block, method, draw)]
        with progress.working(f"{block[0]}x{block[1]} {method}, ranking"):
            prepared = _rank(bench, block, method_named(method, block), draw)
        for point in wanted:
            with progress.working(f"{block[0]}x{block[1]} {method} at {point.cycles:.0%}"):
                finished = _measure(bench, prepared, point)
                log.add(finished)
            progress.done(finished)
    return log


def _set_up(plan: Plan, engine: Engine) -> _Bench:
    loaded = load_model(plan.model, plan.checkpoint, plan.seed)
    test = read_test_images(loaded, plan.test, plan.limit, plan.seed)
    draws = [
        draw_calibration(loaded, plan.data, plan.images, plan.seed, draw)
        for draw in range(plan.draws)
    ]
    for pixels in draws:
        check_disjoint(pixels, test)
    check_draws(draws)
    state = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    return _Bench(plan, loaded, state, test, draws, engine)


def _settings(bench: _Bench) -> dict[str, Any]:
    """What all points of a log have in common."""
    plan, loaded, test = bench.plan, bench.loaded, bench.test
    weights = hashlib.sha256()
    for name, tensor in sorted(bench.state.items()):
        weights.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return {
        "model": plan.model,
        "weights_source": loaded.weights_source,
        "weights": weights.hexdigest()[:16],
        "calibration_source": calibration_source(loaded, plan.data),
        "images": len(bench.draws[0]),
        "test_source": test.source,
        "test_images": len(test.labels),
        "test_digest": digest(test.pixels),
        "seed": plan.seed,
        **asdict(bench.engine),
        "config": asdict(plan.config),
    }


def _points(bench: _Bench) -> Iterator[Point]:
    """Every point of the plan, without figures."""
    plan = bench.plan
    digests = [digest(pixels) for pixels in bench.draws]
    for block in plan.blocks:
        for name in plan.methods:
            method = method_named(name, block)
            for draw in plan.draws_of(method):
                images = digests[draw] if method.needs_images else None
                for share in plan.shares:
                    yield Point(block, name, repr(method), draw, images, share)


def _measure_dense(bench: _Bench) -> dict[str, float | None]:
    bench.restore()
    block = bench.plan.blocks[0]
    return {
        "top1": bench.engine.top1(bench.loaded, bench.test),
        "int8_top1": _int8_top1(bench, bench.draws[0], block) if bench.plan.int8 else None,
    }


def _rank(bench: _Bench, block: BlockShape, method: BlockMethod, draw: int) -> Prepared:
    loaded, dense = bench.loaded, bench.network(block)
    bench.restore()
    loaded.model.to(bench.engine.device)
    layers = prunable_layers(loaded.model, block)
    rankings = method.rank(loaded.model, layers, bench.inputs(draw))
    config = bench.plan.config
    return Prepared(loaded, bench.draws[draw], dense, method, config, layers, rankings)


def _measure(bench: _Bench, prepared: Prepared, point: Point) -> Point:
    """`point` with its figures."""
    try:
        allocation = prepared.allocate(point.cycles, "cycles")
    except UserError as error:
        return replace(point, reason=str(error))
    bench.restore()
    masks = _prune(bench, prepared, allocation, point.draw).values()
    int8 = bench.plan.int8
    return replace(
        point,
        top1=bench.engine.top1(bench.loaded, bench.test),
        int8_top1=_int8_top1(bench, prepared.calibration, point.block) if int8 else None,
        spent=allocation.cost / prepared.cost("cycles").dense,
        kept=sum(mask.kept for mask in masks) / sum(mask.grid.total for mask in masks),
    )


def _prune(
    bench: _Bench, prepared: Prepared, allocation: Allocation, draw: int
) -> Mapping[str, BlockMask]:
    """Take the removed blocks out of the dense model; the masks that hold now."""
    apply_masks_(bench.loaded.model, allocation.masks)
    return allocation.masks


def _int8_top1(bench: _Bench, calibration: Tensor, block: BlockShape) -> float:
    test = bench.test
    bench.loaded.model.to("cpu")

    def read(chosen: NDArray[np.int64]) -> Tensor:
        return test.pixels[torch.from_numpy(chosen)].float() / 255

    network = quantize(bench.loaded, calibration, block)
    found = measure(None, network, TestSet(test.source, test.labels, read))
    assert found.int8_top1 is not None
    return found.int8_top1
