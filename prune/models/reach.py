"""Which weights meet the image's tokens, found out by running one image.

A layer is prunable when its weight, as it is, multiplies features of the image
(`prune.products`). What stays dense:

- a grouped convolution: its weight is no (out, in) matrix;
- a weight that no linear map or convolution takes as it is: unused, or computed with first;
- a generator of positions, biases or queries (Swin v2's `cpb_mlp`, XCiT's position projection): its
  input does not depend on the image;
- a gate (squeeze and excite): a convolution of a single position, the pooled image;
- a mix of attention heads (CaiT's talking heads) or the like: fewer than 16 channels to fewer;
- a token selector: it costs little and decides about all that is behind it;
- a weight held by anything but a linear layer or a convolution, as PyTorch's packed attention.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hw.errors import UserError
from prune.models.image_shape import image_shape
from prune.products import Product, Products, frozen
from prune.tokens.access import PREFIX

_TILE = 16
"""Channels in or out of the smallest map worth cutting into blocks."""


@dataclass
class Use:
    """How an image used a weight."""

    positions: int = 0
    """Vectors of features that it multiplied."""
    sees_image: bool = False
    """Whether an input depended on the image."""
    pooled: bool = True
    """Whether every use was a convolution of a single position."""


def uses(model: nn.Module, shape: tuple[int, int, int]) -> dict[int, Use]:
    """How one image of `shape` uses the weights of `model`, by their id; those unused are missing.

    Raises:
        UserError: the model cannot run such an image.
    """
    found: dict[int, Use] = {}

    def see(product: Product) -> Tensor:
        weight, given, output = product.weight, product.input, product.output()
        use = found.setdefault(id(weight), Use())
        use.positions += output.numel() // len(weight)
        use.sees_image |= given.requires_grad
        use.pooled &= weight.ndim == 4 and given.shape[-2:] == (1, 1)
        return output

    first = next(model.parameters())
    image = torch.zeros(1, *shape, dtype=first.dtype, device=first.device, requires_grad=True)
    with frozen(model), torch.enable_grad(), Products(see):
        try:
            model(image)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{type(model).__name__}: cannot run an image of {shape} ({reason}); "
                "choose another img_size"
            ) from error
    return found


def why_dense(model: nn.Module) -> dict[str, str | None]:
    """Why each weight matrix of `model` stays dense, or None where it can be pruned.

    Linear layers and convolutions go by their module's name, other weights by their own, in the
    order of the modules. A model that does not say what images it takes (`image_shape`) is judged
    by its modules alone.

    Raises:
        UserError: the model cannot run an image of the size it claims.
    """
    shape = image_shape(model)
    used = uses(model, shape) if shape is not None else None
    reasons: dict[str, str | None] = {}
    first: dict[int, str] = {}
    for name, module in model.named_modules():
        if name.startswith(PREFIX):
            if getattr(module, "weight", torch.zeros(0)).ndim > 1:
                reasons[name] = "part of a token selector"
            continue
        if isinstance(module, nn.Linear | nn.Conv2d):
            weight = module.weight
            shared = first.setdefault(id(weight), name)
            reasons[name] = f"shares the weight of {shared}" if shared != name else None
            reasons[name] = reasons[name] or _why_layer_dense(module, used)
            continue
        for own, parameter in module.named_parameters(name, recurse=False):
            if parameter.ndim > 1 and "weight" in own.rpartition(".")[2]:
                reasons[own] = f"a weight of {type(module).__name__}, not a layer of its own"
    return reasons


def _why_layer_dense(module: nn.Linear | nn.Conv2d, used: dict[int, Use] | None) -> str | None:
    if isinstance(module, nn.Conv2d) and module.groups > 1:
        return "a grouped convolution"
    if used is None:
        return None
    use = used.get(id(module.weight))
    if use is None:
        return "no linear map of the forward pass takes its weight as it is"
    if not use.sees_image:
        return "sees no image: it makes positions, biases or queries"
    if use.pooled:
        return "sees the pooled image only, as a gate"
    if max(module.weight.flatten(1).shape) < _TILE:
        return f"fewer than {_TILE} channels to fewer, as a mix of attention heads"
    return None
