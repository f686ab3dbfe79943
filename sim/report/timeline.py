"""The timeline of a run as one SVG file: the whole run, and the first encoder block enlarged.

A lane a unit: array, output stage, vector unit, the share of cycles in which memory brings data,
and the longer stretches in which no token enters the array, by their cause. Colours tell kinds of
operations and causes; hovering over a bar names its operation and its cycles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from hw.artifacts import read_json
from hw.errors import UserError
from hw.ir import Network
from sim.measure import FORMAT_VERSION

LANES = {"array": "array", "output": "output stage", "vector": "vector unit"}
COLORS = {
    "linear": "#4477aa",
    "scores": "#66ccee",
    "attend": "#228833",
    "softmax": "#ccbb44",
    "layernorm": "#ee6677",
    "add": "#aa3377",
    "embed": "#777777",
    "select": "#997755",
    "mean": "#997755",
    "token_select": "#ff77ff",
    "end": "#bbbbbb",
}
NEXT_LINEAR = "#88aadd"
"""Every other linear layer, so that neighbours can be told apart."""
WAITS = {
    "vector": "#cc0000",
    "selector": "#cc00cc",
    "fill_drain": "#ff7f00",
    "output_wait": "#984ea3",
    "input_wait": "#4daf4a",
    "weight_wait": "#1f78b4",
    "control": "#555555",
}
EXPOSED = "#cc0000"
_WIDTH, _LEFT, _RIGHT = 1400, 110, 20
_BAR, _LANE, _TICKS = 30, 40, 8
_REMEDY = "run `python -m sim run` again"


@dataclass(frozen=True)
class Span:
    """Cycles `first` to `last`, both included, of one operation."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class Timeline:
    """What every unit did, and when."""

    total_cycles: int
    lanes: dict[str, tuple[Span, ...]]
    waits: tuple[Span, ...]
    """Stretches without products, by the kind of their cycles."""
    beats: tuple[int, ...]
    """Beats that memory brought in every `beats_every` cycles."""
    beats_every: int


@dataclass(frozen=True)
class Mark:
    """The piece of the run to point at."""

    label: str
    rows: dict[str, tuple[int, int]]
    """First and last cycle of every operation of that kind."""
    worst: str


def read_timeline(folder: Path, total_cycles: int) -> Timeline:
    """The timeline in `folder`.

    Raises:
        UserError: it is missing or damaged, or is not of the run in `cycles.json`.
    """
    path = folder / "timeline.json"
    entry = read_json(path, "the timeline of a run", _REMEDY)
    try:
        if entry["format"] != FORMAT_VERSION:
            raise UserError(f"{path}: not a timeline of format {FORMAT_VERSION}; {_REMEDY}")
        owners = entry["owners"]
        lanes = {
            lane: tuple(Span(owners[number], first, last) for number, first, last in entry[lane])
            for lane in LANES
        }
        found = Timeline(
            total_cycles=entry["total_cycles"],
            lanes=lanes,
            waits=tuple(Span(*wait) for wait in entry["waits"]),
            beats=tuple(entry["memory"]["beats"]),
            beats_every=int(entry["memory"]["interval"]),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}); {_REMEDY}") from error
    if found.total_cycles != total_cycles:
        raise UserError(
            f"{path}: of a run of {found.total_cycles} cycles, cycles.json has {total_cycles}; "
            f"{_REMEDY}"
        )
    return found


def merge(spans: Iterable[Span], gap: int) -> list[Span]:
    """Neighbours of one operation as one, where at most `gap` cycles lie between them."""
    merged: list[Span] = []
    for span in spans:
        before = merged[-1] if merged else None
        if before and before.name == span.name and span.first - before.last - 1 <= gap:
            merged[-1] = Span(span.name, before.first, max(before.last, span.last))
        else:
            merged.append(span)
    return merged


def mark_of(report: dict[str, Any]) -> Mark:
    """The largest exposed piece of a report's header, and where its operations ran."""
    exposed = report["header"]["largest_exposed"]
    label = (
        f"largest exposed piece: {exposed['op']}, {exposed['kind'].replace('_', ' ')}, "
        f"{exposed['cycles']:,} cycles ({exposed['share_pct']:.2f} %) over the run"
    )
    rows = {
        row["name"]: (row["start_cycle"], row["end_cycle"] - 1)
        for row in report["rows"]
        if row["op"] == exposed["op"] and row[exposed["kind"]]
    }
    return Mark(label, rows, exposed["worst_row"])


def first_block(network: Network, timeline: Timeline) -> tuple[int, int] | None:
    """First and last cycle of the first encoder block on array and vector unit."""
    names = {op.name for op in network.ops if op.block == 0}
    spans = [s for lane in ("array", "vector") for s in timeline.lanes[lane] if s.name in names]
    if not spans:
        return None
    return min(s.first for s in spans), max(s.last for s in spans)


def draw(network: Network, timeline: Timeline, mark: Mark, mem_interval: int = 1) -> str:
    """The SVG.

    Args:
        mem_interval: cycles that a beat of the memory takes at least.
    """
    kinds = {op.name: op.kind for op in network.ops}
    colors = {name: COLORS[kind] for name, kind in kinds.items()}
    colors |= {op.name: NEXT_LINEAR for op in [*network.linears()][1::2]}
    whole = (0, timeline.total_cycles - 1)
    views = [_View("the whole run", *whole, timeline, colors, mark, mem_interval)]
    block = first_block(network, timeline)
    if block is not None and block != whole:
        views.append(_View("the first encoder block", *block, timeline, colors, mark, mem_interval))
    parts: list[str] = []
    y = 52
    for view in views:
        parts += view.draw(y)
        y += view.height
    used = [kind for kind in COLORS if kind in {*kinds.values(), "end"}]
    title = f"{network.model}: {timeline.total_cycles:,} cycles"
    style = "text{font:12px sans-serif;fill:#222}.s{font-size:11px;fill:#666}.b{font-weight:bold}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" '
            f'height="{y}" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {y}">',
            f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
            f'<text class="b" x="8" y="18" style="font-size:15px">{escape(title)}</text>',
            *_legend(used),
            *parts,
            "</svg>\n",
        ]
    )


def _legend(kinds: Sequence[str]) -> Iterator[str]:
    x = 8
    causes = ((kind.replace("_", " "), color) for kind, color in WAITS.items())
    for kind, color in [
        *((kind, COLORS[kind]) for kind in kinds),
        ("|  waiting:", "#fff"),
        *causes,
    ]:
        yield f'<rect x="{x}" y="28" width="12" height="12" fill="{color}"/>'
        yield f'<text x="{x + 16}" y="38">{kind}</text>'
        x += 30 + 7 * len(kind)


@dataclass(frozen=True)
class _View:
    """A stretch of the run, drawn over the whole width."""

    title: str
    first: int
    last: int
    timeline: Timeline
    colors: dict[str, str]
    mark: Mark
    mem_interval: int

    @property
    def height(self) -> int:
        return 24 + (len(LANES) + 2) * _LANE + 70

    def x(self, cycle: float) -> float:
        """Where a cycle begins, in pixels."""
        inside = min(max(cycle, self.first), self.last + 1)
        return _LEFT + _WIDTH * (inside - self.first) / (self.last + 1 - self.first)

    def draw(self, y: int) -> Iterator[str]:
        """The view from `y` pixels down."""
        stretch = f"cycles {self.first:,} to {self.last:,}"
        yield f'<text class="b" x="8" y="{y + 14}">{self.title}: {stretch}</text>'
        y += 24
        for lane, label in LANES.items():
            yield self._label(label, y)
            yield from self._spans(self.timeline.lanes[lane], self.colors, y)
            y += _LANE
        yield self._label("memory", y)
        yield from self._memory(y)
        y += _LANE
        yield self._label("waiting", y)
        yield from self._spans(self.timeline.waits, WAITS, y)
        y += _LANE
        yield from self._axis(y)
        yield from self._mark(y + 18)

    def _label(self, text: str, y: int) -> str:
        return (
            f'<text x="8" y="{y + 20}">{text}</text><rect x="{_LEFT}" y="{y}" width="{_WIDTH}" '
            f'height="{_BAR}" fill="#f2f2f2"/>'
        )

    def _rect(self, first: int, last: int, y: float, height: float, color: str, say: str) -> str:
        left, right = self.x(first), self.x(last + 1)
        return (
            f'<rect x="{left:.2f}" y="{y:.1f}" width="{max(right - left, 0.2):.2f}" '
            f'height="{height:.1f}" fill="{color}"><title>{escape(say)}</title></rect>'
        )

    def _spans(self, spans: Sequence[Span], colors: dict[str, str], y: int) -> Iterator[str]:
        inside = (s for s in spans if s.last >= self.first and s.first <= self.last)
        for span in merge(inside, (self.last + 1 - self.first) // (4 * _WIDTH)):
            say = f"{span.name}: cycles {span.first:,} to {span.last:,}"
            color = colors.get(span.name, COLORS["end"])
            yield self._rect(span.first, span.last, y, _BAR, color, say)

    def _memory(self, y: int) -> Iterator[str]:
        """The share of beats that memory gave, of those that it could have given."""
        step, beats = self.timeline.beats_every, self.timeline.beats
        together = max((self.last + 1 - self.first) // step // _WIDTH, 1)
        start = self.first // step // together * together
        for at in range(start, min(self.last // step + 1, len(beats)), together):
            part = beats[at : at + together]
            first = at * step
            last = min(first + len(part) * step, self.timeline.total_cycles) - 1
            if last < first:
                continue
            share = min(sum(part) * self.mem_interval / (last + 1 - first), 1)
            if share:
                say = f"memory: {100 * share:.0f} % busy, cycles {first:,} to {last:,}"
                height = _BAR * share
                yield self._rect(first, last, y + _BAR - height, height, "#999", say)

    def _axis(self, y: int) -> Iterator[str]:
        for i in range(_TICKS + 1):
            cycle = self.first + (self.last + 1 - self.first) * i // _TICKS
            anchor = "start" if i == 0 else "end" if i == _TICKS else "middle"
            yield (
                f'<text class="s" x="{self.x(cycle):.1f}" y="{y + 6}" text-anchor="{anchor}">'
                f"{cycle:,}</text>"
            )

    def _mark(self, y: int) -> Iterator[str]:
        """A bracket under every operation of the kind; a label at the worst of those in view."""
        seen = {n: s for n, s in self.mark.rows.items() if s[1] >= self.first and s[0] <= self.last}
        if not seen:
            return
        for name, (first, last) in seen.items():
            say = f"{name}: cycles {first:,} to {last:,}"
            yield self._rect(first, last, y, 4, EXPOSED, say)
        named = self.mark.worst if self.mark.worst in seen else next(iter(seen))
        x = (self.x(seen[named][0]) + self.x(seen[named][1] + 1)) / 2
        anchor = "start" if x < _LEFT + _WIDTH / 2 else "end"
        where = "most in" if named == self.mark.worst else "here"
        text = f"{self.mark.label}; {where} {named}"
        yield f'<line x1="{x:.1f}" y1="{y + 4}" x2="{x:.1f}" y2="{y + 14}" stroke="{EXPOSED}"/>'
        yield (
            f'<text x="{x:.1f}" y="{y + 26}" text-anchor="{anchor}" style="fill:{EXPOSED}">'
            f"{escape(text)}</text>"
        )
