"""What the float model's activations look like: peaks, means and random samples, by hooks.

Memory stays bounded: a batch runs at a time, and each site keeps at most `SAMPLES` values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from timm.layers import Attention
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

SAMPLES = 1 << 16
_BATCH = 8


@dataclass
class Site:
    """Statistics of one activation tensor."""

    peak: float = 0.0
    """Largest absolute value."""
    parts: list[Tensor] = field(default_factory=list)

    @property
    def samples(self) -> NDArray[np.float64]:
        return torch.cat(self.parts).double().numpy()


@dataclass
class Observations:
    """Sites by name: `<module>` for outputs, `<module>.in` for inputs.

    Attention adds `<attn>.q<h>`, `.k<h>`, `.v<h>` and `<attn>.probabilities`; a norm before a mean
    of tokens adds `head.tokens`, the logits of every token.
    """

    batches: int
    sites: dict[str, Site] = field(default_factory=dict)
    means: dict[str, Tensor] = field(default_factory=dict)
    """Mean input (features) of every linear layer."""
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def peak(self, name: str) -> float:
        """Largest absolute value at a site, 0 where nothing was seen."""
        return self.sites[name].peak if name in self.sites else 0.0

    def record(self, name: str, x: Tensor) -> None:
        """Take one batch's values of a site into account."""
        site = self.sites.setdefault(name, Site())
        site.peak = max(site.peak, float(x.abs().max()))
        flat = x.reshape(-1)
        share = max(SAMPLES // self.batches, 1)
        if len(flat) > share:
            flat = flat[torch.randint(len(flat), (share,), generator=self.generator)]
        site.parts.append(flat.clone())

    def record_mean(self, name: str, x: Tensor) -> None:
        mean = x.reshape(-1, x.shape[-1]).mean(0) / self.batches
        self.means[name] = self.means.get(name, torch.zeros_like(mean)) + mean

    def record_attention(self, name: str, attention: Attention, qkv: Tensor) -> None:
        """Queries, keys and values by head, and the probabilities they lead to."""
        batch, tokens, _ = qkv.shape
        heads = qkv.view(batch, tokens, 3, attention.num_heads, attention.head_dim)
        for part, letter in enumerate("qkv"):
            for head in range(attention.num_heads):
                self.record(f"{name}.{letter}{head}", heads[:, :, part, head])
        query, key, _ = heads[:1].permute(2, 0, 3, 1, 4)  # (B, heads, T, head_dim)
        scores = attention.scale * query @ key.transpose(-2, -1)
        self.record(f"{name}.probabilities", scores.softmax(-1))


def _watch(
    observations: Observations, name: str, module: nn.Module
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        observations.record(name, output)
        observations.record(f"{name}.in", inputs[0])
        if isinstance(module, nn.Linear):
            observations.record_mean(name, inputs[0])

    return hook


def _watch_attention(
    observations: Observations, name: str, attention: Attention
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        observations.record_attention(name, attention, output)

    return hook


def _watch_tokens(
    observations: Observations, head: Any
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        observations.record("head.tokens", F.linear(output, head.weight, head.bias))

    return hook


@contextmanager
def _watching(model: VisionTransformer, observations: Observations) -> Iterator[None]:
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.LayerNorm | nn.Conv2d):
            handles.append(module.register_forward_hook(_watch(observations, name, module)))
        if isinstance(module, Attention):
            hook = _watch_attention(observations, name, module)
            handles.append(module.qkv.register_forward_hook(hook))
        if name.endswith((".ls1", ".ls2")) or name == "blocks":
            handles.append(module.register_forward_hook(_watch(observations, name, module)))
    if model.global_pool == "avg" and isinstance(model.norm, nn.LayerNorm):
        handles.append(model.norm.register_forward_hook(_watch_tokens(observations, model.head)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def observe(model: VisionTransformer, images: Tensor) -> Observations:
    """Run normalized images (N, C, H, W) through `model` and collect statistics."""
    batches = images.split(_BATCH)
    observations = Observations(batches=len(batches))
    with _watching(model, observations):
        for batch in batches:
            model(batch)
    return observations
