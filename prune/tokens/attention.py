"""Attention with weights of keys, in any model that computes it in timm's ways.

Watched are the functions, not the modules: `scaled_dot_product_attention`, or softmax over the
(N, heads, T, T) products of queries and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from hw.errors import UserError

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
_SOFTMAX = (torch.softmax, Tensor.softmax, F.softmax)


class Rule(Protocol):
    """How attention is computed."""

    def attention(self, q: Tensor, k: Tensor, v: Tensor, dropout: float, scale: float) -> Tensor:
        """(N, heads, T, d) from queries, keys and values of that shape."""

    def softmax(self, scores: Tensor) -> Tensor:
        """Probabilities (N, heads, T, T) from scaled products of that shape."""


class Attending(TorchFunctionMode):
    """While active, attention follows `rule`."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self._rule = rule
        self._calls = 0

    def check(self, where: str) -> None:
        """Check that there was attention.

        Raises:
            UserError: there was none, so that dropped tokens would have had influence.
        """
        if not self._calls:
            raise UserError(
                f"{where}: computes attention by neither scaled_dot_product_attention nor softmax, "
                "so tokens cannot be selected; choose another model, as deit_s"
            )

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self._calls += 1
            return self._fused(dict(zip(_NAMES, args, strict=False)) | kwargs)
        if func in _SOFTMAX and args[0].ndim == 4:
            self._calls += 1
            return self._rule.softmax(args[0])
        return func(*args, **kwargs)

    def _fused(self, given: dict[str, Any]) -> Tensor:
        if given.get("attn_mask") is not None or given.get("is_causal"):
            raise UserError(
                "attention mask: tokens are selected by one of their own; call the model without"
            )
        query = given["query"]
        scale = given.get("scale") or query.shape[-1] ** -0.5
        dropout = given.get("dropout_p", 0.0)
        return self._rule.attention(query, given["key"], given["value"], dropout, scale)


class KeyWeights:
    """A rule: every key counts `weights` (N, T) times; 0: not at all.

    Args:
        own: a key of weight 0 still counts for its own query (SPViT, arXiv 2112.13890: with the
            exponents shifted by the maximum, exp(a_ij - max) * (p_j or i == j), normalised). The
            fused function leaves that out: it changes the answers to queries of weight 0 alone.
    """

    def __init__(self, weights: Tensor, own: bool = False) -> None:
        self._weights, self._own = weights[:, None, None], own

    def attention(self, q: Tensor, k: Tensor, v: Tensor, dropout: float, scale: float) -> Tensor:
        """As `Rule`; by the fused function where no gradient meets the weights."""
        if self._weights.requires_grad and torch.is_grad_enabled():
            probabilities = self.softmax(scale * q @ k.transpose(-2, -1))
            return F.dropout(probabilities, dropout).to(v.dtype) @ v
        mask = self._weights.to(q.dtype).log()
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, scale=scale)

    def softmax(self, scores: Tensor) -> Tensor:
        """As `Rule`, with finite gradients of weights that are 0."""
        scores, weights = scores.float(), self._weights.float()
        if self._own:
            same = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
            weights = weights.masked_fill(same, 1.0)
        counted = scores.detach().masked_fill(weights == 0, -torch.inf)
        shifted = scores - counted.amax(dim=-1, keepdim=True)
        products = shifted.clamp(max=0.0).exp() * weights
        return products / products.sum(dim=-1, keepdim=True)
