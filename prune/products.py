"""Following a model's products: every linear map and 2-D convolution of a forward.

Watched are the functions that multiply, not the modules: BEiT and Swin v2 hand `qkv.weight` to
`linear` themselves, so that hooks on the module never fire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_NAMES = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
"""Arguments of `linear` (the first three) and `conv2d`, in order."""


@dataclass(frozen=True)
class Product:
    """A call of `linear` or `conv2d`."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    compute: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    """Its output from an input, a weight and a bias, with the call's stride and padding."""

    def output(self) -> Tensor:
        """What the call gives."""
        return self.compute(self.input, self.weight, self.bias)


class Products(TorchFunctionMode):
    """While active, `handle` gives the output of every product."""

    def __init__(self, handle: Callable[[Product], Tensor]) -> None:
        super().__init__()
        self._handle = handle

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in (F.linear, F.conv2d):
            return func(*args, **kwargs)
        given = dict(zip(_NAMES, args, strict=False)) | kwargs
        x, weight, bias = given.pop("input"), given.pop("weight"), given.pop("bias", None)
        return self._handle(Product(x, weight, bias, lambda x, w, b: func(x, w, b, **given)))


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients of parameters, then everything as it was."""
    training = [(module, module.training) for module in model.modules()]
    required = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    try:
        for parameter, _ in required:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, before in training:
            module.training = before
        for parameter, before in required:
            parameter.requires_grad_(before)
