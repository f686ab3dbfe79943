"""Where the heavy work runs, a GPU when there is one, and in what precision it multiplies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def best_device() -> torch.device:
    """A GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def multiplies_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster there than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def multiplicand(x: Tensor, device: torch.device) -> Tensor:
    """`x` on the device, in the precision that products there take anyway."""
    lower = torch.is_autocast_enabled(device.type)
    return x.to(device, torch.get_autocast_dtype(device.type) if lower else x.dtype)


@contextmanager
def accelerated(model: nn.Module, bf16: bool) -> Iterator[torch.device]:
    """The model on the best device, and back where it was afterwards.

    Args:
        bf16: multiply in bfloat16 where that is faster.
    """
    before, best = next(model.parameters()).device, best_device()
    model.to(best)
    try:
        with torch.autocast(best.type, torch.bfloat16, enabled=bf16 and multiplies_bf16(best)):
            yield best
    finally:
        model.to(before)
