"""The pooling in front of a ViT's classifier, of tokens that count with weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prune.tokens.attention import Attending, KeyWeights


def pooled(model: Any, x: Tensor, weights: Tensor | None, pool_type: str | None) -> Tensor:
    """What `VisionTransformer.pool` gives, of tokens `x` (N, T, C) with `weights` (N, T).

    A token of weight 0 does not count; the maximum takes all the others alike. None: all count 1.
    """
    kind = model.global_pool if pool_type is None else pool_type
    if weights is None or (model.attn_pool is None and kind in ("", "token")):
        return type(model).pool(model, x, pool_type)
    start = 0 if model.pool_include_prefix else model.num_prefix_tokens
    if model.attn_pool is not None:
        with Attending(KeyWeights(weights[:, start:])):
            return type(model).pool(model, x, pool_type)
    x, share = x[:, start:], weights[:, start:].to(x.dtype).unsqueeze(-1)
    mean = (x * share).sum(dim=1) / share.sum(dim=1)
    if kind == "avg":
        return mean
    most = x.masked_fill(share.detach() == 0, -torch.inf).amax(dim=1)
    return most if kind == "max" else 0.5 * (most + mean)
