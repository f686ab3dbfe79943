"""How much each token and each output row of a layer matters to what the model says.

A layer's squared error, summed over tokens and rows with weights, is the second-order estimate of
the harm when the weights are the mean squared gradients of the loss with respect to its outputs: a
diagonal Fisher. The gradients (tokens, rows) are taken as the product of a weight a token and a
weight a row. Row weights leave the optimal weights of a mask unchanged, and say which blocks
matter; token weights change both. In the last block of a ViT that is read at its class token, for
example, what happens at other tokens counts nothing behind the attention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prune.blocks import PrunableLayer
from prune.calibration.inputs import Compute, LayerCalls, tokens_out
from prune.calibration.store import Arrays

_BATCH = 16


@dataclass(frozen=True)
class Importance:
    """Of one layer's outputs; a token's weight times a row's is near its mean squared gradient."""

    tokens: Tensor
    """(tokens): of mean 1, ordered as `tokens_in`."""
    rows: Tensor
    """(out): mean squared gradient over the tokens."""


class _Gradients(LayerCalls):
    """Adds up squared gradients at the outputs of the layers' first calls in each forward."""

    def __init__(self, layers: Sequence[PrunableLayer]) -> None:
        super().__init__(layers)
        self.tokens: dict[str, list[Tensor]] = {}
        self.rows: dict[str, Tensor] = {}
        self._called: set[str] = set()

    def start(self) -> None:
        """A forward of the next images."""
        self._called.clear()

    def _call(self, layer: PrunableLayer, compute: Compute, x: Tensor, bias: Tensor | None) -> Any:
        y = compute(x, layer.module.weight, bias)
        if layer.name not in self._called:
            self._called.add(layer.name)
            if not y.requires_grad:
                y.requires_grad_(True)
            y.register_hook(lambda gradient: self._add(layer, gradient))
        return y

    def _add(self, layer: PrunableLayer, gradient: Tensor) -> None:
        squares = tokens_out(layer.module, gradient).float().square()
        self.tokens.setdefault(layer.name, []).append(squares.sum(dim=1))
        rows = squares.sum(dim=0)
        self.rows[layer.name] = self.rows.get(layer.name, torch.zeros_like(rows)) + rows


def importance(
    model: nn.Module, layers: Sequence[PrunableLayer], images: Tensor, seed: int = 0
) -> dict[str, Importance]:
    """The importance of every layer's outputs, by name.

    The gradient is of a random combination of the logits, which needs no labels: over its draws,
    the mean squared gradient is the Gauss-Newton diagonal of a squared error of the logits.

    Args:
        images: normalized, (N, channels, height, width), on the model's device.
        seed: of the combinations.
    """
    generator = torch.Generator().manual_seed(seed)
    gradients = _Gradients(layers)
    training = model.training
    model.eval()
    try:
        for batch in images.split(_BATCH):
            gradients.start()
            with torch.enable_grad(), gradients:
                logits = model(batch).float()
            draw = torch.randn(logits.shape, generator=generator).to(logits.device)
            (logits * draw).sum().backward()
    finally:
        model.train(training)
    found = {}
    for name, squares in gradients.tokens.items():
        tokens = torch.cat(squares)
        rows = gradients.rows[name] / len(tokens)
        mean = tokens.mean()
        found[name] = Importance(tokens / mean if mean > 0 else torch.ones_like(tokens), rows)
    return found


def pack(found: Mapping[str, Importance]) -> Arrays:
    """As arrays, `LAYER.tokens` and `LAYER.rows`."""
    return {
        f"{name}.{part}": tensor.cpu().numpy()
        for name, weights in found.items()
        for part, tensor in vars(weights).items()
    }


def unpack(arrays: Arrays, device: torch.device) -> dict[str, Importance]:
    """The inverse of `pack`."""
    names = {key.rpartition(".")[0] for key in arrays}
    return {
        name: Importance(
            *(torch.from_numpy(arrays[f"{name}.{part}"]).to(device) for part in ("tokens", "rows"))
        )
        for name in names
    }
