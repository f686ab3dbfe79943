"""Methods that choose tokens without training, inside the blocks of a model.

They see what attention computes and act behind it, before the MLP, as both papers have it. Every
image of a batch is left with as many tokens.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from hw.errors import UserError
from prune.tokens.attached import Attached
from prune.tokens.attention import Attending, Rule
from prune.tokens.selection import Selection
from prune.tokens.stages import Architecture
from prune.tokens.take import take


class Reduction(Protocol):
    """A stage's tokens in one forward."""

    @property
    def rule(self) -> Rule:
        """How attention is computed, and seen."""

    @property
    def weights(self) -> Tensor | None:
        """(N, T): how much each token counts in a mean; None: all alike."""

    @property
    def place(self) -> Tensor:
        """As `Selection.place`."""

    def reduce(self, number: int, x: Tensor) -> tuple[Tensor, Selection | None]:
        """The tokens left of `x` (N, T, C) behind the attention of block `number`.

        None: all of them.
        """


@runtime_checkable
class Baseline(Protocol):
    """A method and its settings."""

    def check(self, model: Architecture) -> None:
        """Check that the method can be applied to `model`.

        Raises:
            UserError: it cannot.
        """

    def left(self, block: int, tokens: int) -> int:
        """Tokens, the prefix aside, that leave the attention of a block which so many enter."""

    def start(self, x: Tensor, prefix: int) -> Reduction:
        """The state of a stage that begins with tokens `x` (N, T, C)."""


class Reducer(Attached):
    """A method without training in a model, with nothing to train or to save.

    Raises:
        UserError: when the method cannot be applied.
    """

    def __init__(self, model: Architecture, method: Baseline) -> None:
        super().__init__(model, {})
        method.check(model)
        for number in range(model.depth):
            _check_block(model.block(number))
        self._method = method
        self._tokens: Reduction | None = None

    def run(self, number: int, x: Tensor) -> Tensor:
        """What block `number` makes of tokens `x`, of which fewer leave than enter."""
        stage = self._architecture.stage(number)
        if number == stage.first:
            self._weights, self._tokens = None, self._method.start(x, self._architecture.prefix)
        tokens, block = self._tokens, self._architecture.block(number)
        assert tokens is not None
        x = self._halves(number, block, x, tokens)
        if number == stage.last:
            self._tokens = None
            x, self._weights = self._leave(x, tokens) if stage.grid else (x, tokens.weights)
        return x

    def _halves(self, number: int, block: Any, x: Tensor, tokens: Reduction) -> Tensor:
        with Attending(tokens.rule) as attending:
            x = x + block.drop_path1(block.ls1(block.attn(block.norm1(x))))
        attending.check(type(block).__name__)
        x, selection = tokens.reduce(number, x)
        if self.record is not None and selection is not None:
            self.record[number] = selection
        return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))

    def _leave(self, x: Tensor, tokens: Reduction) -> tuple[Tensor, None]:
        prefix = x[:, : self._architecture.prefix]
        return torch.cat([prefix, take(x, tokens.place)], dim=1), None


def _check_block(block: nn.Module) -> None:
    if type(block) is not Block:
        raise UserError(
            f"{type(block).__name__}: tokens are chosen between attention and MLP, which only "
            "timm's Block has one behind the other; choose another model, as deit_s"
        )
