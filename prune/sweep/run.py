"""`sweep`: rank once, then prune to every share and measure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from hw.errors import UserError
from prune.methods import method_named
from prune.prepared import Prepared
from prune.sweep.bench import Bench
from prune.sweep.evaluate import Engine
from prune.sweep.images import digest
from prune.sweep.log import Log, Point
from prune.sweep.plan import Plan

LOG = "sweep.json"


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
    with progress.working("loading"):
        bench = Bench.set_up(plan, Engine.choose(bf16))
        log = Log(out / LOG, bench.settings())
    log.disjoint = bench.disjoint()
    points = list(_points(bench))
    missing = [point for point in points if not log.holds(point, plan.int8)]
    progress.begin(len(points), len(points) - len(missing))
    if log.dense.get("int8_top1" if plan.int8 else "top1") is None:
        with progress.working("dense"):
            bench.restore()
            log.dense = {"top1": bench.top1(), "int8_top1": bench.int8_top1(0, plan.blocks[0])}
            log.write()
    for block, method, draw in dict.fromkeys((p.block, p.method, p.draw) for p in missing):
        wanted = [p for p in missing if (p.block, p.method, p.draw) == (block, method, draw)]
        with progress.working(f"{block[0]}x{block[1]} {method}, ranking"):
            prepared = bench.rank(block, method_named(method, block), draw)
        for point in wanted:
            with progress.working(f"{block[0]}x{block[1]} {method} at {point.cycles:.0%}"):
                finished = _measure(bench, prepared, point)
                log.add(finished)
            progress.done(finished)
    return log


def _points(bench: Bench) -> Iterator[Point]:
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


def _measure(bench: Bench, prepared: Prepared, point: Point) -> Point:
    """`point` with its figures."""
    try:
        allocation = prepared.allocate({"cycles": point.cycles})
    except UserError as error:
        return replace(point, reason=str(error))
    bench.restore()
    masks = prepared.apply_(allocation).masks.values()
    return replace(
        point,
        top1=bench.top1(),
        int8_top1=bench.int8_top1(point.draw, point.block),
        spent=allocation.costs["cycles"] / prepared.cost("cycles").dense,
        kept=sum(mask.kept for mask in masks) / sum(mask.grid.total for mask in masks),
    )
