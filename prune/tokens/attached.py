"""What acts on a model's tokens, in place of its blocks' forward and of its pooling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from hw.errors import UserError
from prune.tokens.pooling import pooled
from prune.tokens.selection import Record
from prune.tokens.stages import Architecture


class Attached(nn.ModuleDict, ABC):
    """`model.selectors`: the modules that choose tokens, by block number."""

    def __init__(self, model: Architecture, modules: dict[str, nn.Module]) -> None:
        super().__init__(modules)
        self.record: Record | None = None
        self._architecture = model
        self._weights: Tensor | None = None

    @abstractmethod
    def run(self, number: int, x: Tensor) -> Tensor:
        """What block `number` makes of tokens `x`, with whatever is done to them there."""

    @property
    def checkpoints(self) -> bool:
        """Whether the model runs its blocks again for their gradients."""
        return bool(getattr(self._architecture.model, "grad_checkpointing", False))

    def pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        """What a ViT's `pool` gives, of the tokens that are left."""
        weights, self._weights = self._weights, None
        return pooled(self._architecture.model, x, weights, pool_type)

    def take_over_(self) -> None:
        """Become the model's `selectors`."""
        model: Any = self._architecture.model
        model.selectors = self
        for number in range(self._architecture.depth):
            block: Any = self._architecture.block(number)
            block.forward = _Block(self, number).forward
        if hasattr(model, "pool"):
            model.pool = self.pool

    def give_back_(self) -> None:
        """Leave the model as it was before `take_over_`."""
        model = self._architecture.model
        for number in range(self._architecture.depth):
            vars(self._architecture.block(number)).pop("forward", None)
        vars(model).pop("pool", None)
        del model.selectors


def attached_to(model: nn.Module) -> Attached:
    """What acts on the tokens of `model`.

    Raises:
        UserError: nothing does.
    """
    found = getattr(model, "selectors", None)
    if not isinstance(found, Attached):
        raise UserError(
            f"{type(model).__name__}: no token selectors in it; attach them first "
            "(prune.tokens.attach_)"
        )
    return found


class _Block:
    """The forward of a block in a model whose tokens are selected."""

    def __init__(self, attached: Attached, number: int) -> None:
        self._attached, self._number = attached, number

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        """As timm's blocks have it.

        Raises:
            UserError: with a mask, which says nothing about tokens that have moved, or with
                gradient checkpointing, which runs a block again when its tokens have gone on.
        """
        if attn_mask is not None or is_causal:
            raise UserError("attention mask: tokens are selected; call the model without one")
        if self._attached.checkpoints:
            raise UserError(
                "gradient checkpointing: runs blocks twice, which selected tokens do not; call "
                "set_grad_checkpointing(False)"
            )
        return self._attached.run(self._number, x)
