"""The methods that are compared, with the hardware that each of them takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from sim.bench.methods import layernorm, softmax
from sim.bench.methods.network import Methods

Function = TypeVar("Function")


@dataclass(frozen=True)
class Method(Generic[Function]):
    """One row of the table."""

    name: str
    sentence: str
    function: Function
    row_unit: str
    """Name in `units.UNITS` of what works once a row of scores, or once a token."""
    lane_unit: str
    """Name in `units.UNITS` of what every lane has."""


SOFTMAX: tuple[Method[softmax.Softmax], ...] = (
    Method(
        "table256",
        "256 powers in a table, one division a row",
        softmax.table256,
        "sum divided",
        "exponent table256",
    ),
    Method(
        "segments16",
        "16 lines between powers, one division a row",
        softmax.segments16,
        "sum divided",
        "exponent segments16",
    ),
    Method(
        "polynomial",
        "I-BERT's second-order polynomial, one division a row",
        softmax.polynomial,
        "sum divided",
        "exponent polynomial",
    ),
    Method(
        "line",
        "2^-f as 1 - f/2, one division a row",
        softmax.line,
        "sum divided",
        "exponent line",
    ),
    Method(
        "powers",
        "whole powers of two, one division a row",
        softmax.powers_only,
        "sum divided",
        "exponent powers",
    ),
    Method(
        "line, shift",
        "1 - f/2, the sum rounded to a power of two",
        softmax.line_shift,
        "sum shifted",
        "exponent line",
    ),
)

LAYERNORM: tuple[Method[layernorm.LayerNorm], ...] = (
    Method(
        "root16",
        "root of 16 bits, one division a token",
        layernorm.root16,
        "token root16",
        "value 27x17",
    ),
    Method(
        "root24",
        "root of 24 bits, one division a token",
        layernorm.root24,
        "token root24",
        "value 28x24",
    ),
    Method(
        "newton",
        "192 reciprocal roots in a table, one Newton step",
        layernorm.newton,
        "token newton",
        "value 27x17",
    ),
    Method(
        "table768",
        "768 reciprocal roots in a table",
        layernorm.table768,
        "token table768",
        "value 27x17",
    ),
    Method(
        "power",
        "the reciprocal rounded to a power of two",
        layernorm.power,
        "token power",
        "value shifted",
    ),
)

CHOSEN = Methods(SOFTMAX[0].function, LAYERNORM[0].function)
"""What `hw.integer` does."""
