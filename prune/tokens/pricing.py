"""Cycles of the methods without training, and their settings for a budget.

The machine has no instruction that chooses tokens their way. Counted are the cycles of all other
operations with as many tokens as the method leaves, which is the least that it can take.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network, TokenSelect
from hw.program.schedule import kept_tiles
from prune.models import LoadedModel
from prune.quantize import quantize
from prune.tokens.attach import attach_
from prune.tokens.baselines import Baseline
from prune.tokens.evit import EViT
from prune.tokens.tome import ToMe
from sim.cycles import CycleModel

_PERCENT = range(99, 0, -1)


def selectable(
    loaded: LoadedModel, calibration: Tensor, block: tuple[int, int] = (16, 16)
) -> Network:
    """The integer network of a model with a selector before every block, where tokens may go.

    Args:
        calibration: pixels in [0, 1] (N, C, H, W); only shapes and zeros count, so few do.
        block: (out, in) shape of a prunable block.

    Raises:
        UserError: the model has no integer form.
    """
    model = copy.deepcopy(loaded.compilable())
    attach_(model, range(len(model.blocks)))
    return quantize(replace(loaded, model=model), calibration, block)


class BaselineCycles:
    """Cycles of a network, by the method that drops tokens inside its blocks.

    Args:
        network: as `selectable` makes it, with or without removed blocks.
        config: the array.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self._model = CycleModel(network, config)
        self._kept = kept_tiles(network, self._model.schedule)
        self._selects = [op for op in network.ops if isinstance(op, TokenSelect)]
        self.prefix = self._selects[0].prefix
        self.tokens = network.tensors[self._selects[0].inputs[0]].tokens
        self._inside = {op.name: _behind_attention(op.name) for op in network.ops}
        self.dense = self._cycles([self.tokens] * self.depth, [self.tokens] * self.depth)

    @property
    def depth(self) -> int:
        """Blocks of the network."""
        return len(self._selects)

    def __call__(self, method: Baseline) -> int:
        """Cycles of an image; of all tokens: `dense`."""
        patches, entering, leaving = self.tokens - self.prefix, list[int](), list[int]()
        for block in range(self.depth):
            entering.append(self.prefix + patches)
            patches = method.left(block, patches)
            leaving.append(self.prefix + patches)
        return self._cycles(entering, leaving)

    def _cycles(self, entering: list[int], leaving: list[int]) -> int:
        """Of attention with tokens entering blocks, and of the rest with those leaving it there."""
        by_op = self._by_op(entering)
        by_op |= {name: count for name, count in self._by_op(leaving).items() if self._inside[name]}
        return sum(count for name, count in by_op.items() if not name.startswith("selectors."))

    def _by_op(self, tokens: list[int]) -> dict[str, int]:
        live = {op.name: count for op, count in zip(self._selects, tokens, strict=True)}
        return self._model.evaluate(self._kept, live).by_op


def evits(depth: int) -> Iterator[EViT]:
    """At a quarter, half and three quarters of the blocks, as published, one share for all three:
    from the most tokens to the least."""
    places = sorted({depth * quarter // 4 for quarter in (1, 2, 3)})
    return (EViT(dict.fromkeys(places, percent / 100)) for percent in _PERCENT)


def tomes(depth: int, tokens: int) -> Iterator[ToMe]:
    """As many merged in every block, or one more in the first ones: from the most tokens to the
    least."""
    for total in range(1, tokens):
        each, more = divmod(total, depth)
        yield ToMe(tuple(each + (block < more) for block in range(depth)))


def within(cycles: BaselineCycles, methods: Iterable[Baseline], share: float) -> Baseline:
    """The first of `methods` that takes at most a share of the dense cycles.

    Raises:
        UserError: none does.
    """
    for method in methods:
        if cycles(method) <= share * cycles.dense:
            return method
    raise UserError(f"{share:.0%} of the cycles: cannot be reached without training; ask for more")


def _behind_attention(name: str) -> bool:
    """Whether an operation comes behind the attention of its block, or behind all blocks."""
    part = name.split(".", 2)
    return part[0] != "blocks" or part[2].startswith(("norm2", "mlp", "add2"))
