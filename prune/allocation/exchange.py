"""Exchange: moves of two layers that lessen the objective of an allocation and still save enough.

Equal slope leaves one layer inside a segment of its hull, where a curve that is not convex lies
above the hull. Another layer may make up for it at less harm.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prune.allocation.allocate import Curve
from prune.allocation.equal_slope import Counts, Floats

_ROUNDS = 30
_POINTS = 64
"""States that a layer may move to: as many near its own on either side, and over its curve."""
_WORTH = 1e-9
"""Share of the objective that a move must save."""


def exchange(
    curves: Mapping[str, Curve], removed: Mapping[str, int], required: Floats
) -> dict[str, int]:
    """`removed` after the best moves of two layers, one pair after the other.

    Args:
        removed: blocks that each layer loses.
        required: what every budget must save, in the terms of the curves. Where `removed` does
            not, the first pair makes up for it at the least harm.
    """
    state = dict(removed)
    for _ in range(_ROUNDS):
        better = _best_pair(curves, state, required)
        if better is None:
            break
        state |= better
    return state


def _best_pair(
    curves: Mapping[str, Curve], state: Mapping[str, int], required: Floats
) -> dict[str, int] | None:
    """The new states of two layers, or of one, that save most; None when none do."""
    here = np.sum([curve.saved[:, state[name]] for name, curve in curves.items()], axis=0)
    objective = sum(float(curve.objective[state[name]]) for name, curve in curves.items())
    points = {name: _points(curve, state[name]) for name, curve in curves.items()}
    moved = np.repeat(np.arange(len(curves)), [len(found) for found in points.values()])
    change = np.concatenate(
        [c.objective[points[name]] - c.objective[state[name]] for name, c in curves.items()]
    )
    spare = (here - required)[:, None] + np.hstack(
        [c.saved[:, points[name]] - c.saved[:, [state[name]]] for name, c in curves.items()]
    )
    best: float = -_WORTH * abs(objective) if (here >= required).all() else np.inf
    pair = None
    for other, (name, curve) in enumerate(curves.items()):
        least = _least(curve, curve.saved[:, [state[name]]] - spare)
        lowest = np.minimum.accumulate(np.append(curve.objective, np.inf)[::-1])[::-1]
        total = change + lowest[least] - curve.objective[state[name]]
        total[moved == other] = np.inf
        chosen = int(np.argmin(total))
        if total[chosen] < best:
            best, pair = float(total[chosen]), (chosen, name, int(least[chosen]))
    if pair is None:
        return None
    chosen, name, least_blocks = pair
    first = list(curves)[moved[chosen]]
    target = int(np.concatenate(list(points.values()))[chosen])
    after = least_blocks + int(np.argmin(curves[name].objective[least_blocks:]))
    return {first: target, name: after}


def _points(curve: Curve, at: int) -> Counts:
    """States that a layer at `at` may move to."""
    blocks = len(curve.objective) - 1
    near = np.arange(max(at - _POINTS, 0), min(at + _POINTS, blocks) + 1)
    return np.union1d(near, np.linspace(0, blocks, 2 * _POINTS).astype(np.int64))


def _least(curve: Curve, needed: Floats) -> Counts:
    """Fewest blocks of a layer that save (budgets, cases) `needed`; the curve's length if none."""
    rounding = 1e-12 * curve.saved[:, -1]
    found = [
        np.searchsorted(saved, wanted - slack)
        for saved, wanted, slack in zip(curve.saved, needed, rounding, strict=True)
    ]
    return np.max(found, axis=0)
