"""The table that compares the methods, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.synth.resources import Resources
from sim.bench.methods.area import unit_resources
from sim.bench.methods.errors import Error, layernorm_error, softmax_error
from sim.bench.methods.network import Methods
from sim.bench.methods.registry import CHOSEN, LAYERNORM, SOFTMAX, Method

HEADS = (
    "largest error",
    "mean",
    "top-1",
    "labels changed",
    "a lane",
    "a row or token",
)


def _resources(found: Resources) -> str:
    """The figures that are not zero."""
    figures = (
        (found.lut + found.lutram, "LUT"),
        (found.ff, "FF"),
        (found.dsp, "DSP"),
        (found.bram, "BRAM"),
    )
    return ", ".join(f"{number:,g} {what}" for number, what in figures if number)


def _table(title: str, rows: Sequence[Sequence[str]]) -> str:
    heads = (title, *HEADS)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


class Comparison:
    """Runs the methods one after the other.

    Args:
        predict: the labels that a network gives a fixed set of images, under some methods.
        labels: the true ones.
        say: hears of every method before it runs.
    """

    def __init__(
        self,
        predict: Callable[[Methods], NDArray[np.int64]],
        labels: NDArray[np.int64],
        say: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._predict = predict
        self._labels = labels
        self._say = say
        self._say("the chosen methods")
        self._chosen = predict(CHOSEN)

    def markdown(self) -> str:
        """One table for softmax, one for layer norm.

        Raises:
            UserError: when synthesis fails.
        """
        softmaxes = [
            self._row(
                method, Methods(method.function, CHOSEN.layernorm), softmax_error(method.function)
            )
            for method in SOFTMAX
        ]
        norms = [
            self._row(
                method, Methods(CHOSEN.softmax, method.function), layernorm_error(method.function)
            )
            for method in LAYERNORM
        ]
        return "\n\n".join(
            _table(title, rows) for title, rows in (("softmax", softmaxes), ("layer norm", norms))
        )

    def _row(self, method: Method[Any], methods: Methods, error: Error) -> list[str]:
        self._say(method.name)
        winners = self._chosen if methods == CHOSEN else self._predict(methods)
        return [
            f"{method.name}: {method.sentence}",
            f"{error.largest:.2f}",
            f"{error.mean:.3f}",
            f"{100 * (winners == self._labels).mean():.2f} %",
            f"{(winners != self._chosen).sum():,}",
            _resources(unit_resources(method.lane_unit)),
            _resources(unit_resources(method.row_unit)),
        ]
