"""The points of a sweep as a table: methods by shares of the dense cycles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from prune.blocks import BlockShape
from prune.sweep.log import Log, Point


@dataclass(frozen=True)
class Cell:
    """One method at one share, over its draws; percent."""

    mean: float | None
    """None when the share cannot be reached, or was not measured."""
    deviation: float | None
    """Standard deviation of a sample; None for a single draw."""

    @staticmethod
    def of(figures: Sequence[float]) -> Cell:
        """From fractions."""
        percent = [100 * figure for figure in figures]
        return Cell(
            mean(percent) if percent else None, stdev(percent) if len(percent) > 1 else None
        )

    def __str__(self) -> str:
        if self.mean is None:
            return "-"
        return f"{self.mean:.2f}" + ("" if self.deviation is None else f" ± {self.deviation:.2f}")


@dataclass(frozen=True)
class Table:
    """Top-1 of one block shape, percent."""

    block: BlockShape
    shares: tuple[float, ...]
    dense: float | None
    rows: dict[str, dict[float, Cell]]
    """By method, then by share."""


def tables(log: Log, figure: str = "top1") -> list[Table]:
    """One table a block shape, of `top1` or `int8_top1`; empty when no point has that figure."""
    points = list(log)
    if all(getattr(point, figure) is None for point in points):
        return []
    shares = tuple(sorted({point.cycles for point in points}, reverse=True))
    methods = dict.fromkeys(point.method for point in points)
    dense = log.dense.get(figure)
    return [
        Table(
            block,
            shares,
            None if dense is None else 100 * dense,
            {
                method: {share: _cell(points, figure, block, method, share) for share in shares}
                for method in methods
            },
        )
        for block in sorted({point.block for point in points})
    ]


def _cell(
    points: Iterable[Point], figure: str, block: BlockShape, method: str, share: float
) -> Cell:
    found = [
        getattr(point, figure)
        for point in points
        if (point.block, point.method, point.cycles) == (block, method, share)
    ]
    return Cell.of([value for value in found if value is not None])
