"""Where selectors stand and what they keep: the layer-to-phase schedule of SPViT.

From the last block backwards, the share of tokens that enters a block is lowered until the accuracy
falls by more than a tolerance; neighbouring blocks with nearly equal shares become one phase with
one selector (arXiv:2112.13890, section 3.4). The tolerance is the one whose schedule meets a budget
in cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hw.errors import UserError

Rates = dict[int, float]
"""Share of the patch tokens that enters a block and those behind it, by block, in order."""
Measure = Callable[[Rates], float]
"""Accuracy of a model whose blocks get these shares, 0 to 1."""
Price = Callable[[Rates], float]
"""Cycles of a model with a selector before each of these blocks."""

_STEPS = 16
"""Shares are tried in steps of this part."""
_TRIES = 5
"""Tolerances tried, each nearer to the one before it."""
_FACTOR = 8.0
"""Between the first two."""
_USEFUL = 0.25
"""A step that saves less than this part of the mean step's cycles is not worth its tokens."""
_CLOSE = 1e-4
"""Share of a budget that the fitted rates may miss it by."""


@dataclass(frozen=True)
class Search:
    """How a schedule is looked for."""

    tolerance: float = 0.005
    """Loss of accuracy a block, at first; SPViT's."""
    within: float = 0.085
    """Neighbours whose shares differ by no more are one phase; SPViT's."""
    phases: int = 3
    """At most so many selectors."""


@dataclass(frozen=True)
class Schedule:
    """A finished search."""

    rates: Rates
    """Of the selectors."""
    tolerance: float
    layers: Rates
    """What every block tolerated."""


def find_schedule(
    measure: Measure,
    price: Price,
    blocks: Sequence[int],
    target: float,
    search: Search,
    say: Callable[[str], None] = lambda line: None,
) -> Schedule:
    """The schedule that takes `target` cycles.

    Args:
        measure: accuracy of a schedule.
        price: cycles of a schedule.
        blocks: before which a selector may stand, in order.
        target: cycles.
        search: settings.
        say: takes a line about every tolerance tried.

    Raises:
        UserError: selectors alone cannot reach the target.
    """
    least = least_share(price, blocks[0])
    reached = price({blocks[0]: least})
    if reached > target:
        raise UserError(
            f"a budget of {target:.0f} cycles: with {least:.0%} of the tokens from block "
            f"{blocks[0]} on, the network still takes {reached:.0f}, and fewer tokens save nothing "
            "more; allow more with --cycles, or prune blocks of weights, too"
        )
    known: dict[tuple[tuple[int, float], ...], float] = {}

    def remembered(rates: Rates) -> float:
        key = tuple(rates.items())
        if key not in known:
            known[key] = measure(rates)
        return known[key]

    def attempt(tolerance: float) -> tuple[float, Schedule]:
        layers = layer_rates(remembered, blocks, tolerance, least)
        rates = merge(layers, search.within, search.phases)
        cycles = price(rates)
        shown = ", ".join(f"{block}: {rate:.0%}" for block, rate in rates.items())
        say(f"tolerance {tolerance:.2%}: {cycles / target:.2f} of the budget, {shown or 'all'}")
        return cycles - target, Schedule(rates, tolerance, layers)

    tolerance, factor = search.tolerance, _FACTOR
    tried = []
    for _ in range(_TRIES):
        over, found = attempt(tolerance)
        tried.append((abs(over), found))
        tolerance, factor = tolerance * (factor if over > 0 else 1 / factor), factor**0.5
    best = min(tried, key=lambda entry: entry[0])[1]
    rates = best.rates or {blocks[len(blocks) // 2]: 0.5}
    return Schedule(fit(rates, price, target, least), best.tolerance, best.layers)


def least_share(price: Price, block: int) -> float:
    """The share of tokens from `block` on below which fewer tokens save hardly any cycles.

    The array loads a tile of weights in the time of some tokens, however few there are.
    """
    cycles = [price({block: step / _STEPS}) for step in range(1, _STEPS + 1)]
    mean = (cycles[-1] - cycles[0]) / (_STEPS - 1)
    gains = [more - less for less, more in pairwise(cycles)]
    return next((n for n, gain in enumerate(gains, 1) if gain > _USEFUL * mean), 1) / _STEPS


def layer_rates(
    measure: Measure, blocks: Sequence[int], tolerance: float, least: float = 1 / _STEPS
) -> Rates:
    """The lowest share that each block tolerates, given those of the blocks behind it.

    Every selector alone may cost `tolerance` of accuracy. Blocks that tolerate nothing are missing.
    No share is below `least`.
    """
    rates: Rates = {}
    accuracy, floor = measure(rates), round(least * _STEPS)
    for block in reversed(blocks):
        low, high = floor, _STEPS
        found = accuracy
        while low < high:
            middle = (low + high) // 2
            tried = measure({block: middle / _STEPS, **rates})
            if accuracy - tried <= tolerance:
                high, found = middle, tried
            else:
                low = middle + 1
        if high < _STEPS:
            rates = {block: high / _STEPS, **rates}
            accuracy = found
        floor = high
    return rates


def merge(rates: Rates, within: float, most: int) -> Rates:
    """Neighbouring blocks as phases: the block at the front of each, and their mean share.

    The closest neighbours first, while they differ by no more than `within` or are more than
    `most`.
    """
    phases = [(block, 1, rate) for block, rate in rates.items()]
    while len(phases) > 1:
        gaps = [first[2] - second[2] for first, second in pairwise(phases)]
        at = gaps.index(min(gaps))
        if gaps[at] > within and len(phases) <= most:
            break
        (block, count, rate), (_, more, other) = phases[at : at + 2]
        mean = (count * rate + more * other) / (count + more)
        phases[at : at + 2] = [(block, count + more, mean)]
    return {block: rate for block, _, rate in phases}


def fit(rates: Rates, price: Price, target: float, least: float = 0.0) -> Rates:
    """Rates raised to a common power, but not below `least`, so that they take `target` cycles."""

    def powered(exponent: float) -> Rates:
        return {block: max(rate**exponent, least) for block, rate in rates.items()}

    low, high = 0.0, 1.0
    while price(powered(high)) > target and high < 64:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        cycles = price(powered(middle))
        low, high = (middle, high) if cycles > target else (low, middle)
        if abs(cycles - target) <= _CLOSE * target:
            return powered(middle)
    return powered(high)
