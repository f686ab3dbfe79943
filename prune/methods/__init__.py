"""Pruning methods: each orders the blocks of every layer and estimates the harm of removal."""

from __future__ import annotations

from collections.abc import Callable

from hw.errors import UserError
from prune.blocks import BlockShape
from prune.methods.base import BlockMethod, Ranking
from prune.methods.lpvit import LPViT
from prune.methods.magnitude import Magnitude
from prune.methods.obs import BlockOBS
from prune.methods.wanda import Wanda

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "BlockMethod",
    "BlockOBS",
    "LPViT",
    "Magnitude",
    "Ranking",
    "Wanda",
    "method_named",
]

DEFAULT_METHOD = "lpvit-nopower"
"""The power term is left out by default: a budget in cycles prices the hardware already."""

METHODS: dict[str, Callable[[BlockShape], BlockMethod]] = {
    "magnitude": lambda block: Magnitude(block),
    "wanda": lambda block: Wanda(block),
    "lpvit": lambda block: LPViT(block),
    "lpvit-nopower": lambda block: LPViT(block, power="off"),
    "lpvit-corrected": lambda block: LPViT(block, second_order="corrected", power="corrected"),
    "lpvit-refit": lambda block: LPViT(block, update="dense"),
    "obs": lambda block: BlockOBS(block),
}


def method_named(name: str, block: BlockShape) -> BlockMethod:
    """The method that the command line calls `name`.

    Raises:
        UserError: no such method.
    """
    if name not in METHODS:
        raise UserError(f"method {name!r}: unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name](block)
