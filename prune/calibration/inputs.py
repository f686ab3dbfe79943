"""The tokens that reach each layer: one forward of all images, a layer at a time.

All images go through the model at once, so that a layer can be pruned at the moment its inputs are
there, and the layers behind it see what the pruned one gives. Nothing is stored but the
activations that the forward itself holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prune.blocks import PrunableLayer
from prune.products import Product, Products, frozen


def tokens_in(module: nn.Linear | nn.Conv2d, x: Tensor) -> Tensor:
    """What a layer multiplies its matrix with, (tokens, in), from its input.

    Args:
        x: (..., in) of a linear layer, (images, channels, height, width) of a convolution.
    """
    if isinstance(module, nn.Linear):
        return x.flatten(0, -2)
    padding = module.padding
    assert not isinstance(padding, str), "timm's convolutions pad by numbers"
    columns = F.unfold(x, module.kernel_size, module.dilation, padding, module.stride)
    return columns.mT.flatten(0, 1)


def tokens_out(module: nn.Linear | nn.Conv2d, y: Tensor) -> Tensor:
    """A layer's output, or the gradient of it, as (tokens, out), ordered as `tokens_in`."""
    return y.flatten(0, -2) if isinstance(module, nn.Linear) else y.flatten(2).mT.flatten(0, 1)


def layer_products(
    layers: Sequence[PrunableLayer], handle: Callable[[PrunableLayer, Product], Tensor]
) -> Products:
    """While active, `handle` gives the output of every product with the weight of a layer."""
    by_weight = {id(layer.module.weight): layer for layer in layers}

    def choose(product: Product) -> Tensor:
        layer = by_weight.get(id(product.weight))
        return product.output() if layer is None else handle(layer, product)

    return Products(choose)


def _in_full(x: Tensor) -> torch.autocast:
    """Whatever precision the forward multiplies in, a visit computes in that of its tensors."""
    return torch.autocast(x.device.type, enabled=False)


def visit_inputs(
    model: nn.Module,
    layers: Sequence[PrunableLayer],
    images: Tensor,
    visit: Callable[[PrunableLayer, Tensor], None],
) -> None:
    """Call `visit(layer, inputs (tokens, in))` for each layer when the forward reaches it.

    A layer that the forward calls several times is visited at the first; one that it never calls
    is not visited.

    Args:
        images: normalized, (N, channels, height, width), on the model's device.
    """
    visited: set[str] = set()

    def handle(layer: PrunableLayer, product: Product) -> Tensor:
        if layer.name not in visited:
            visited.add(layer.name)
            with _in_full(product.input):
                visit(layer, tokens_in(layer.module, product.input))
        return product.output()

    with frozen(model), torch.no_grad(), layer_products(layers, handle):
        model(images)


def visit_beside(
    model: nn.Module,
    layers: Sequence[PrunableLayer],
    images: Tensor,
    visit: Callable[[PrunableLayer, Tensor, Tensor], None],
) -> None:
    """As `visit_inputs`, with the network as it was before running beside the one being changed.

    Both go through the model as the two halves of one batch. `visit(layer, inputs before, inputs
    now)` may change the layer's weight and bias in place: the second half goes on with them, the
    first with those of before.
    """
    dense: dict[str, tuple[Tensor, Tensor | None]] = {}

    def handle(layer: PrunableLayer, product: Product) -> Tensor:
        module, bias = layer.module, product.bias
        beside, own = product.input.chunk(2)
        if layer.name not in dense:
            before = None if module.bias is None else module.bias.clone()
            dense[layer.name] = module.weight.clone(), before
            with _in_full(own):
                visit(layer, tokens_in(module, beside), tokens_in(module, own))
        weight, dense_bias = dense[layer.name]
        if bias is not module.bias:  # made for this call
            dense_bias = bias
        first = product.compute(beside, weight, dense_bias)
        both = first.new_empty(2 * len(first), *first.shape[1:])
        both[: len(first)] = first
        del first  # before the other half is computed: these are the largest tensors of the run
        both[len(both) // 2 :] = product.compute(own, product.weight, bias)
        return both

    with frozen(model), torch.no_grad(), layer_products(layers, handle):
        model(torch.cat([images, images]))
