"""What the float model's activations look like: ranges and random samples by channel, from hooks.

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

from hw.quantization import Floats
from prune.tokens.access import selectors_of
from prune.tokens.selector import HeadLinear

SAMPLES = 1 << 16
_BATCH = 8

_Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True)
class Site:
    """An activation tensor: each channel's range and mean, and values with their channels."""

    low: Floats
    high: Floats
    mean: Floats
    values: Floats
    channels: NDArray[np.int64]

    @property
    def peak(self) -> float:
        """Largest absolute value."""
        return float(max(-self.low.min(), self.high.max(), 0.0))

    def part(self, start: int, stop: int) -> Site:
        """The channels from `start` to before `stop`."""
        here = (self.channels >= start) & (self.channels < stop)
        span = slice(start, stop)
        return Site(
            self.low[span],
            self.high[span],
            self.mean[span],
            self.values[here],
            self.channels[here] - start,
        )

    def affine(self, shift: Floats, factor: Floats) -> Site:
        """The site after `(x - shift) / factor`, per channel with positive factors."""
        return Site(
            (self.low - shift) / factor,
            (self.high - shift) / factor,
            (self.mean - shift) / factor,
            (self.values - shift[self.channels]) / factor[self.channels],
            self.channels,
        )


@dataclass
class _Record:
    """A site in the making."""

    low: Tensor
    high: Tensor
    total: Tensor
    rows: int = 0
    values: list[Tensor] = field(default_factory=list)
    channels: list[Tensor] = field(default_factory=list)

    def site(self) -> Site:
        return Site(
            self.low.double().numpy(),
            self.high.double().numpy(),
            self.total.numpy() / self.rows,
            torch.cat(self.values).double().numpy(),
            torch.cat(self.channels).numpy(),
        )


class _Observer:
    def __init__(self, batches: int) -> None:
        self.records: dict[str, _Record] = {}
        self._share = max(SAMPLES // batches, 1)
        self._generator = torch.Generator().manual_seed(0)

    def record(self, name: str, x: Tensor, channel_axis: int = -1) -> None:
        """Take one batch's values of a site into account."""
        x = x.movedim(channel_axis, -1).flatten(0, -2)
        count, features = x.shape
        low, high = x.amin(dim=0), x.amax(dim=0)  # much faster than aminmax
        record = self.records.get(name)
        if record is None:
            record = _Record(low, high, torch.zeros(features, dtype=torch.float64))
            self.records[name] = record
        record.low = torch.minimum(record.low, low)
        record.high = torch.maximum(record.high, high)
        record.total += x.sum(dim=0)
        record.rows += count
        size = count * features
        if size > self._share:
            chosen = torch.randint(size, (self._share,), generator=self._generator)
        else:
            chosen = torch.arange(size)
        record.values.append(x.reshape(-1)[chosen])
        record.channels.append(chosen % features)

    def watch_linear(self, name: str) -> _Hook:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.record(f"{name}.in", inputs[0])
            self.record(name, output)

        return hook

    def watch_heads(self, name: str) -> _Hook:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.record(f"{name}.in", inputs[0].flatten(-2))
            self.record(name, output.flatten(-2))

        return hook

    def watch_input(self, name: str) -> _Hook:
        return lambda _, inputs, output: self.record(f"{name}.in", inputs[0])

    def watch_output(self, name: str, channel_axis: int = -1) -> _Hook:
        return lambda _, inputs, output: self.record(name, output, channel_axis)

    def watch_probabilities(self, name: str, attention: Attention) -> _Hook:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            tokens = output.shape[1]
            qkv = output[0].view(tokens, 3, attention.num_heads, attention.head_dim)
            query, key, _ = qkv.permute(1, 2, 0, 3)  # (heads, tokens, head_dim)
            scores = attention.scale * query @ key.transpose(-2, -1)
            self.record(f"{name}.probabilities", scores.softmax(-1).unsqueeze(-1))

        return hook

    def watch_token_logits(self, head: Any) -> _Hook:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.record("head.tokens", F.linear(output, head.weight, head.bias))

        return hook


@contextmanager
def _watching(model: VisionTransformer, observer: _Observer) -> Iterator[None]:
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.endswith((".proj", ".fc2")):
            # The layer scale after it shows its output.
            handles.append(module.register_forward_hook(observer.watch_input(name)))
        elif isinstance(module, nn.Linear):
            handles.append(module.register_forward_hook(observer.watch_linear(name)))
        elif isinstance(module, HeadLinear):
            handles.append(module.register_forward_hook(observer.watch_heads(name)))
        elif isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(observer.watch_output(name, 1)))
        elif isinstance(module, nn.LayerNorm):
            handles.append(module.register_forward_hook(observer.watch_input(name)))
        elif isinstance(module, Attention):
            hook = observer.watch_probabilities(name, module)
            handles.append(module.qkv.register_forward_hook(hook))
        if name.endswith((".ls1", ".ls2")) or name == "blocks":
            handles.append(module.register_forward_hook(observer.watch_output(name)))
    handles.append(model.blocks.register_forward_hook(observer.watch_input("blocks")))
    if model.global_pool == "avg" and isinstance(model.norm, nn.LayerNorm):
        handles.append(model.norm.register_forward_hook(observer.watch_output("norm")))
        handles.append(model.norm.register_forward_hook(observer.watch_token_logits(model.head)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def observe(model: VisionTransformer, images: Tensor) -> dict[str, Site]:
    """Run normalized images (N, C, H, W) through `model` and collect its activations.

    Returns:
        Sites by name: `<module>` for outputs and `<module>.in` for inputs of layers. Attention adds
        `<attn>.probabilities`; a norm before a mean of tokens adds `head.tokens`, the logits of
        every token. Of a model that selects tokens, each site has seen the live ones alone.
    """
    # Images that keep different numbers of tokens would share a batch with padding.
    batches = images.split(1 if selectors_of(model) else _BATCH)
    observer = _Observer(len(batches))
    with _watching(model, observer):
        for batch in batches:
            model(batch)
    return {name: record.site() for name, record in observer.records.items()}
