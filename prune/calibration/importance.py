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

import torch
from torch import Tensor, nn

from prune.blocks import PrunableLayer
from prune.calibration.inputs import layer_products, tokens_out
from prune.calibration.store import Arrays
from prune.products import Product, frozen

_BATCH = 16


@dataclass(frozen=True)
class Importance:
    """Of one layer's outputs; a token's weight times a row's is near its mean squared gradient."""

    tokens: Tensor
    """(tokens): of mean 1, ordered as `tokens_in`."""
    rows: Tensor
    """(out): mean squared gradient over the tokens."""


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
    by_token: dict[str, list[Tensor]] = {}
    by_row: dict[str, Tensor] = {}
    for batch in images.split(_BATCH):
        gradients = _squared_gradients(model, layers, batch, generator)
        for name, squares in gradients.items():
            by_token.setdefault(name, []).append(squares.sum(dim=1))
            rows = squares.sum(dim=0)
            by_row[name] = by_row.get(name, torch.zeros_like(rows)) + rows
    found = {}
    for name, parts in by_token.items():
        tokens = torch.cat(parts)
        rows = by_row[name] / len(tokens)
        mean = tokens.mean()
        found[name] = Importance(tokens / mean if mean > 0 else torch.ones_like(tokens), rows)
    return found


def _squared_gradients(
    model: nn.Module, layers: Sequence[PrunableLayer], batch: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """(tokens, out) at the output of every layer's first product, of a random sum of the logits."""
    outputs: dict[str, Tensor] = {}

    def handle(layer: PrunableLayer, product: Product) -> Tensor:
        y = product.output()
        if layer.name in outputs:
            return y
        outputs[layer.name] = y if y.requires_grad else y.requires_grad_(True)
        return outputs[layer.name]

    with frozen(model), torch.enable_grad():
        with layer_products(layers, handle):
            logits = model(batch)
        draw = torch.randn(logits.shape, generator=generator).to(logits)
        loss = (logits * draw).sum()
        gradients = torch.autograd.grad(loss, list(outputs.values()), materialize_grads=True)
    by_name = {layer.name: layer for layer in layers}
    return {
        name: tokens_out(by_name[name].module, gradient).float().square()
        for name, gradient in zip(outputs, gradients, strict=True)
    }


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
