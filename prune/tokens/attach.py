"""Selecting tokens inside a model: `attach_` once, then call the model as ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

from hw.errors import UserError
from prune.tokens.attached import Attached, attached_to
from prune.tokens.baselines import Baseline, Reducer
from prune.tokens.learned import Selectors
from prune.tokens.selector import TokenSelector
from prune.tokens.stages import Architecture, architecture

Model = TypeVar("Model", bound=nn.Module)


def attach_(
    model: Model, positions: Sequence[int] | Baseline, thresholds: float | Sequence[float] = 0.5
) -> Model:
    """Put fresh token selectors, or a method without training, into a timm ViT, DeiT or PiT.

    Fresh selectors keep every token, so that the answers stay the same. Their weights are in
    `model.selectors` and, as `selectors.<block>.<...>`, in the state dict. A PiT's stages begin
    with all their tokens each: its pooling takes the package token for the dropped ones.

    Args:
        positions: numbers of the blocks before which tokens are selected, counted through all
            stages from 0; or `EViT` or `ToMe`.
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
    if isinstance(positions, Baseline):
        attached: Attached = Reducer(found, positions)
    else:
        attached = _selectors(found, positions, thresholds)
    like = next(model.parameters())
    attached.to(like.device, like.dtype).train(model.training)
    attached.take_over_()
    return model


def detach_(model: Model) -> Model:
    """Take out of `model` what `attach_` put in; it is then as before.

    Raises:
        UserError: there is nothing.
    """
    attached_to(model).give_back_()
    return model


@contextmanager
def masked(model: nn.Module) -> Iterator[None]:
    """Evaluation in the form of training: dropped tokens stay in the tensors, without influence.

    Raises:
        UserError: `model` has no selectors.
    """
    attached = attached_to(model)
    if not isinstance(attached, Selectors):
        raise UserError(f"{type(model).__name__}: only learned selectors have a masked form")
    before, attached.masked = attached.masked, True
    try:
        yield
    finally:
        attached.masked = before


def _selectors(
    found: Architecture, positions: Sequence[int], thresholds: float | Sequence[float]
) -> Selectors:
    given = list(positions)
    if not given or given != sorted(set(given)) or given[0] < 0 or given[-1] >= found.depth:
        raise UserError(
            f"positions {given}: expected rising numbers of blocks out of 0 to {found.depth - 1}, "
            "at least one; change them"
        )
    levels = list(thresholds) if isinstance(thresholds, Sequence) else [thresholds] * len(given)
    if len(levels) != len(given) or not all(0 < level < 1 for level in levels):
        raise UserError(
            f"thresholds {levels}: expected more than 0 and less than 1, one for all or one for "
            f"each of {len(given)} positions; change them"
        )
    selectors = {
        block: TokenSelector(found.stage(block).dim, found.heads(block), threshold)
        for block, threshold in zip(given, levels, strict=True)
    }
    return Selectors(found, selectors)
