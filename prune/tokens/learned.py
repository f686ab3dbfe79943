"""Learned selectors in a model: a selection before each block that has one."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from prune.tokens.attached import Attached
from prune.tokens.attention import Attending, Rule
from prune.tokens.decision import Drawing
from prune.tokens.gather import GatheredTokens
from prune.tokens.masked import MaskedTokens
from prune.tokens.selection import Selection
from prune.tokens.selector import TokenSelector
from prune.tokens.stages import Architecture


class Tokens(Protocol):
    """A stage's tokens in one forward, from the first selection on."""

    @property
    def rule(self) -> Rule: ...
    def select(self, selector: TokenSelector, x: Tensor) -> tuple[Tensor, Selection]: ...
    def finish(self, x: Tensor, grid: bool) -> tuple[Tensor, Tensor | None]: ...


class Selectors(Attached):
    """The selectors of a model by block number, before which each acts.

    While training, dropped tokens stay in the tensors (`prune.tokens.masked`) and decisions are
    drawn by Gumbel-softmax; in evaluation they leave (`prune.tokens.gather`), or stay while
    `masked`, and nothing is random.
    """

    drawing: Drawing = Drawing()
    """How decisions are drawn while training."""
    masked: bool = False

    def __init__(self, model: Architecture, selectors: dict[int, TokenSelector]) -> None:
        super().__init__(model, {str(block): selector for block, selector in selectors.items()})
        self._tokens: Tokens | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """Blocks before which tokens are selected."""
        return tuple(map(int, self.keys()))

    def at(self, block: int) -> TokenSelector:
        """The selector before a block."""
        selector = self[str(block)]
        assert isinstance(selector, TokenSelector)
        return selector

    def run(self, number: int, x: Tensor) -> Tensor:
        """What block `number` makes of the tokens that the selector before it leaves."""
        stage = self._architecture.stage(number)
        if number == stage.first:
            self._tokens = self._weights = None
        if str(number) in self:
            x = self._select(number, x)
        tokens, block = self._tokens, self._architecture.block(number)
        if tokens is None:
            return type(block).forward(block, x)
        with Attending(tokens.rule) as attending:
            x = type(block).forward(block, x)
        attending.check(type(block).__name__)
        if number == stage.last:
            x, self._weights = tokens.finish(x, stage.grid)
            self._tokens = None
        return x

    def _select(self, number: int, x: Tensor) -> Tensor:
        if self._tokens is None:
            self._tokens = self._start(x)
        x, selection = self._tokens.select(self.at(number), x)
        if self.record is not None:
            self.record[number] = selection
        return x

    def _start(self, x: Tensor) -> Tokens:
        prefix = self._architecture.prefix
        if self.training:
            return MaskedTokens(x, prefix, self.drawing)
        return MaskedTokens(x, prefix, None) if self.masked else GatheredTokens(x, prefix)
