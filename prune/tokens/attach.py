"""Selecting tokens inside a model: `attach_` once, then call the model as ever.

While training, dropped tokens stay in the tensors (`prune.tokens.masked`) and decisions are drawn
by Gumbel-softmax; in evaluation they leave (`prune.tokens.gather`) and nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from hw.errors import UserError
from prune.tokens.attention import Attending, Rule
from prune.tokens.gather import GatheredTokens
from prune.tokens.masked import MaskedTokens
from prune.tokens.pooling import pooled
from prune.tokens.recording import Record, Selection, recorder
from prune.tokens.selector import TokenSelector
from prune.tokens.stages import Architecture, architecture

Model = TypeVar("Model", bound=nn.Module)


class Tokens(Protocol):
    """A stage's tokens in one forward, from the first selection on."""

    @property
    def rule(self) -> Rule: ...
    def select(self, selector: TokenSelector, x: Tensor) -> tuple[Tensor, Selection]: ...
    def finish(self, x: Tensor, grid: bool) -> tuple[Tensor, Tensor | None]: ...


class Selectors(nn.ModuleDict):
    """The selectors of a model by block number, before which each acts; `model.selectors`."""

    temperature: float = 1.0
    """Of the Gumbel-softmax while training."""

    def __init__(self, model: Architecture, selectors: dict[int, TokenSelector]) -> None:
        super().__init__({str(block): selector for block, selector in selectors.items()})
        self.record: Record | None = None
        self.masked = False
        self._architecture = model
        self._tokens: Tokens | None = None
        self._weights: Tensor | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """Blocks before which tokens are selected."""
        return tuple(map(int, self.keys()))

    def run(self, number: int, x: Tensor) -> Tensor:
        """Block `number` behind the selector that stands before it, if there is one."""
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

    def pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        """What a ViT's `pool` gives, of the tokens that are left."""
        weights, self._weights = self._weights, None
        return pooled(self._architecture.model, x, weights, pool_type)

    def _select(self, number: int, x: Tensor) -> Tensor:
        if self._tokens is None:
            self._tokens = self._start(x)
        selector = self[str(number)]
        assert isinstance(selector, TokenSelector)
        x, selection = self._tokens.select(selector, x)
        if self.record is not None:
            self.record[number] = selection
        return x

    def _start(self, x: Tensor) -> Tokens:
        prefix = self._architecture.prefix
        if self.training:
            return MaskedTokens(x, prefix, self.temperature)
        return MaskedTokens(x, prefix, None) if self.masked else GatheredTokens(x, prefix)


class _Block:
    """The forward of a block in a model whose tokens are selected."""

    def __init__(self, selectors: Selectors, number: int) -> None:
        self._selectors, self._number = selectors, number

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        """As timm's blocks have it.

        Raises:
            UserError: with a mask, which says nothing about tokens that have moved.
        """
        if attn_mask is not None or is_causal:
            raise UserError("attention mask: tokens are selected; call the model without one")
        return self._selectors.run(self._number, x)


def attach_(
    model: Model, positions: Sequence[int], thresholds: float | Sequence[float] = 0.5
) -> Model:
    """Put fresh token selectors into a timm ViT, DeiT or PiT, in place.

    They keep every token at first, so that the answers stay the same. Their weights are in
    `model.selectors` and, as `selectors.<block>.<...>`, in the state dict. A PiT's stages begin
    with all their tokens each: its pooling takes the package token for the dropped ones.

    Args:
        positions: numbers of the blocks before which tokens are selected, counted through all
            stages from 0.
        thresholds: least keep scores that stay, of all selectors or one each, in (0, 1).

    Returns:
        `model`.

    Raises:
        UserError: on another model, on one that has selectors, or on positions or thresholds that
            cannot be used.
    """
    found = architecture(model)
    if getattr(model, "selectors", None) is not None:
        raise UserError(
            f"{type(model).__name__}: has token selectors; remove them first (prune.tokens.detach_)"
        )
    _check_positions(positions, found.depth)
    levels = [thresholds] * len(positions) if isinstance(thresholds, float) else list(thresholds)
    _check_thresholds(levels, len(positions))
    selectors = {
        block: TokenSelector(found.stage(block).dim, found.heads(block), threshold)
        for block, threshold in zip(positions, levels, strict=True)
    }
    like = next(model.parameters())
    attached = Selectors(found, selectors).to(like.device, like.dtype).train(model.training)
    whole: Any = model
    whole.selectors = attached
    for number in range(found.depth):
        block: Any = found.block(number)
        block.forward = _Block(attached, number).forward
    if hasattr(model, "pool"):
        whole.pool = attached.pool
    return model


def detach_(model: Model) -> Model:
    """Take the selectors out of `model`, in place, which is then as before `attach_`.

    Raises:
        UserError: it has none.
    """
    recorder(model)
    found = architecture(model)
    for number in range(found.depth):
        vars(found.block(number)).pop("forward", None)
    vars(model).pop("pool", None)
    del model.selectors
    return model


@contextmanager
def masked(model: nn.Module) -> Iterator[None]:
    """Evaluation in the form of training: dropped tokens stay in the tensors, without influence.

    Raises:
        UserError: `model` has no selectors.
    """
    attached: Any = recorder(model)
    before, attached.masked = attached.masked, True
    try:
        yield
    finally:
        attached.masked = before


def _check_positions(positions: Sequence[int], depth: int) -> None:
    given = list(positions)
    if given and given == sorted(set(given)) and given[0] >= 0 and given[-1] < depth:
        return
    raise UserError(
        f"positions {given}: expected rising numbers of blocks out of 0 to {depth - 1}, at least "
        "one; change them"
    )


def _check_thresholds(thresholds: Sequence[float], count: int) -> None:
    if len(thresholds) != count:
        raise UserError(
            f"thresholds {list(thresholds)}: expected one, or one for each of {count} positions"
        )
    for threshold in thresholds:
        if not 0 < threshold < 1:
            raise UserError(f"threshold {threshold}: expected more than 0 and less than 1")
