"""The tokens that reach each layer: one forward of all images, a layer at a time.

All images go through the model at once, so that a layer can be pruned at the moment its inputs are
there, and the layers behind it see what the pruned one gives. Nothing is stored but the
activations that the forward itself holds.

Layers are recognised by their weight where `linear` and `conv2d` are called, not by their module:
some models (BEiT, EVA) multiply with a module's weight without calling the module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prune.blocks import PrunableLayer

Compute = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""A layer's function of input, weight and bias."""


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


class LayerCalls(TorchFunctionMode):
    """While active, passes every call of one of `layers` to `_call`, which gives the output."""

    def __init__(self, layers: Sequence[PrunableLayer]) -> None:
        super().__init__()
        self._by_weight = {id(layer.module.weight): layer for layer in layers}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.linear or func is F.conv2d:
            x, weight, bias, *rest = (*args, *kwargs.values(), None)[: max(3, len(args))]
            layer = self._by_weight.get(id(weight))
            if layer is not None:
                settings = () if func is F.linear else tuple(rest)
                return self._call(layer, lambda x, w, b: func(x, w, b, *settings), x, bias)
        return func(*args, **kwargs)

    def _call(self, layer: PrunableLayer, compute: Compute, x: Tensor, bias: Tensor | None) -> Any:
        raise NotImplementedError


class _Visit(LayerCalls):
    def __init__(
        self, layers: Sequence[PrunableLayer], visit: Callable[[PrunableLayer, Tensor], None]
    ) -> None:
        super().__init__(layers)
        self._visit = visit
        self._visited: set[str] = set()

    def _call(self, layer: PrunableLayer, compute: Compute, x: Tensor, bias: Tensor | None) -> Any:
        if layer.name not in self._visited:
            self._visited.add(layer.name)
            self._visit(layer, tokens_in(layer.module, x))
        return compute(x, layer.module.weight, bias)


class _VisitBeside(LayerCalls):
    def __init__(
        self,
        layers: Sequence[PrunableLayer],
        visit: Callable[[PrunableLayer, Tensor, Tensor], None],
    ) -> None:
        super().__init__(layers)
        self._visit = visit
        self._dense: dict[str, tuple[Tensor, Tensor | None]] = {}

    def _call(self, layer: PrunableLayer, compute: Compute, x: Tensor, bias: Tensor | None) -> Any:
        module = layer.module
        beside, own = x.chunk(2)
        if layer.name not in self._dense:
            own_bias = None if bias is None else bias.clone()
            self._dense[layer.name] = (module.weight.clone(), own_bias)
            self._visit(layer, tokens_in(module, beside), tokens_in(module, own))
        # `bias` is the module's own, which the visit may have changed, or made for this call.
        weight, dense_bias = self._dense[layer.name]
        return torch.cat([compute(beside, weight, dense_bias), compute(own, module.weight, bias)])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, without gradients."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


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
    with evaluating(model), _Visit(layers, visit):
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
    with evaluating(model), _VisitBeside(layers, visit):
        model(torch.cat([images, images]))
