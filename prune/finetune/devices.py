"""The devices that train, by `accelerate`, and the precision of their products."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from hw.errors import UserError
from prune.device import multiplies_bf16

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def make_accelerator(precision: str) -> Accelerator:
    """The devices of this process, by `accelerate`; `auto` precision is decided here.

    Raises:
        UserError: the machine cannot train in that precision.
    """
    AcceleratorState._reset_state()  # or a second run of this process keeps the first's precision
    device = Accelerator().device
    AcceleratorState._reset_state()
    if precision == "fp16" and device.type == "cpu":
        raise UserError("precision 'fp16': a CPU cannot train in it; use bf16 or no")
    if precision == "auto":
        precision = "bf16" if multiplies_bf16(device) else "no"
    return Accelerator(mixed_precision=precision)


def product_dtype(accelerator: Accelerator) -> torch.dtype:
    """What matrix products are computed in."""
    return _DTYPES.get(accelerator.mixed_precision, torch.float32)


def suit_device_(model: nn.Module, device: torch.device) -> list[Any]:
    """Let attention run operation by operation on a CPU: torch's fused backward takes longer.

    Returns:
        The modules whose `fused_attn` was switched off.
    """
    modules: Iterable[Any] = model.modules() if device.type == "cpu" else ()
    fused = [module for module in modules if getattr(module, "fused_attn", False)]
    for module in fused:
        module.fused_attn = False
    return fused
