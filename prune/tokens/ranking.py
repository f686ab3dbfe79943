"""What tokens matter without training: the class token's attention (EViT, arXiv:2202.07800)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def class_attention(block: Any, x: Tensor, prefix: int) -> Tensor:
    """Attention to every token behind the prefix, mean of the heads: (N, T - prefix) float32.

    That of the class token, the first; without prefix tokens, the mean of all tokens'.

    Args:
        block: of a plain ViT.
        x: what enters it (N, T, C).
        prefix: tokens in front.
    """
    attention = block.attn
    qkv = attention.qkv(block.norm1(x)).unflatten(-1, (3, attention.num_heads, -1))
    query, key = qkv[:, :, 0].transpose(1, 2), qkv[:, :, 1].transpose(1, 2)  # (N, heads, T, d)
    query, key = attention.q_norm(query), attention.k_norm(key)
    if prefix:
        query = query[:, :, :1]
    shares = (query @ key.transpose(-2, -1) * attention.scale).float().softmax(dim=-1)
    return shares.mean(dim=(1, 2))[:, prefix:]


@contextmanager
def attending(blocks: Sequence[nn.Module], prefix: int) -> Iterator[list[Tensor]]:
    """Collect `class_attention` of each of `blocks` in the next forward, in their order."""
    found: list[Tensor] = []

    def note(block: nn.Module, inputs: tuple[Any, ...]) -> None:
        found.append(class_attention(block, inputs[0], prefix))

    hooks = [block.register_forward_pre_hook(note) for block in blocks]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def top_tokens(attention: Tensor, count: int) -> Tensor:
    """Numbers of the `count` tokens with most attention (N, count), in the tokens' order."""
    return attention.topk(count, dim=1).indices.sort(dim=1).values


def behind(attentions: Sequence[Tensor]) -> list[Tensor]:
    """For every block, the mean attention (N, P) in it and in the blocks behind it."""
    total, means = torch.zeros_like(attentions[-1]), []
    for count, attention in enumerate(reversed(attentions), start=1):
        total = total + attention
        means.append(total / count)
    return means[::-1]
