"""`sweep.json`: the settings of a sweep and every point it finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hw.artifacts import read_json, write_json
from hw.errors import UserError
from prune.blocks import BlockShape

FORMAT_VERSION = 1
_REMEDY = "delete it, or choose another --out"


@dataclass(frozen=True)
class Point:
    """One method at one share of the dense cycles."""

    block: BlockShape
    method: str
    options: str
    """The method with all its settings."""
    draw: int
    calibration: str | None
    """Digest of the images that calibrated it; None for a method that looks at none."""
    cycles: float
    """Share of the dense cycles that was asked for."""
    top1: float | None = None
    """Of the float model, a fraction; None when the share cannot be reached."""
    int8_top1: float | None = None
    """Of the integer network; None when it was not asked for."""
    spent: float | None = None
    """Share of the dense cycles that the masks take, by the cycle model."""
    kept: float | None = None
    """Share of the blocks that stays."""
    reason: str | None = None
    """Why there is no figure."""

    @property
    def place(self) -> tuple[BlockShape, str, int, float]:
        """Where it stands in the report."""
        return self.block, self.method, self.draw, self.cycles

    def same_work(self, other: Point, int8: bool) -> bool:
        """Whether computing this one gave `other`."""
        made_alike = all(
            getattr(self, name) == getattr(other, name) for name in ("options", "calibration")
        )
        return made_alike and (not int8 or other.int8_top1 is not None or other.top1 is None)


class Log:
    """The points in `sweep.json`, which is rewritten whole after each."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Open the log, a new one when there is no file.

        Raises:
            UserError: the file is damaged, or holds a sweep of other settings.
        """
        self._path = path
        self.settings = dict(settings)
        self.dense: dict[str, float | None] = {}
        """`top1` and `int8_top1` of the dense model."""
        self.disjoint: dict[str, Any] = {}
        """What was found when test images were looked for among the calibration images."""
        self._points: dict[Any, Point] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        content = read_json(self._path, "the log of a sweep", _REMEDY)
        try:
            if content["format"] != FORMAT_VERSION:
                raise ValueError(f"format {content['format']}")
            settings, self.dense = content["settings"], content["dense"]
            points = [_point(entry) for entry in content["points"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{self._path}: not a log of a sweep ({error}); {_REMEDY}") from error
        for name in {**settings, **self.settings}:
            before, now = settings.get(name), self.settings.get(name)
            if before != now:
                raise UserError(
                    f"{self._path}: a sweep with {name} {before}, this one has {now}; {_REMEDY}"
                )
        self._points = {point.place: point for point in points}

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def holds(self, point: Point, int8: bool) -> bool:
        """Whether `point` was computed before, with the same method and images."""
        found = self._points.get(point.place)
        return found is not None and point.same_work(found, int8)

    def add(self, point: Point) -> None:
        self._points[point.place] = point
        self.write()

    def write(self) -> None:
        content = {
            "format": FORMAT_VERSION,
            "settings": self.settings,
            "disjoint": self.disjoint,
            "dense": self.dense,
            "points": [asdict(point) for point in self],
        }
        write_json(self._path, content)


def _point(entry: dict[str, Any]) -> Point:
    known = {field.name for field in fields(Point)}
    values = {name: value for name, value in entry.items() if name in known}
    return Point(**{**values, "block": (entry["block"][0], entry["block"][1])})
