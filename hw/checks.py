"""What has to hold for single operations of a network. Every check raises a `UserError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw.errors import UserError
from hw.ops import Linear, TokenSelect

if TYPE_CHECKING:
    from hw.ir import Network


def check_select(network: Network, op: TokenSelect) -> None:
    """That a selection follows the one before it, and that its tensors fit together."""
    earlier = [o.name for o in network.ops if isinstance(o, TokenSelect)]
    before = earlier[: earlier.index(op.name)]
    if op.after != (before[-1] if before else ""):
        raise UserError(
            f"network: {op.name} comes after {op.after!r}, expected "
            f"{before[-1] if before else ''!r}, the selection before it"
        )
    if len(op.inputs) != 3:
        raise UserError(
            f"network: {op.name} has {len(op.inputs)} inputs, expected the tokens, keep and heads"
        )
    x, keep, heads = (network.tensors[name] for name in op.inputs)
    if (keep.tokens, keep.features) != (x.tokens, heads.features) or heads.tokens != x.tokens:
        raise UserError(
            f"network: {op.name}: keep ({keep.tokens}, {keep.features}) and heads "
            f"({heads.tokens}, {heads.features}), expected one shape and {x.tokens} tokens"
        )
    target = network.tensors[op.output]
    if (target.tokens, target.features) != (x.tokens, x.features):
        raise UserError(
            f"network: {op.name} gives ({target.tokens}, {target.features}), expected "
            f"({x.tokens}, {x.features})"
        )
    narrow = [n for n in (*op.inputs, op.output) if network.tensors[n].bits != 16]
    if narrow:
        raise UserError(f"network: {op.name}: {narrow[0]} has 8 bits, expected 16")
    if not 0 <= op.threshold < 256 or not 0 <= op.prefix < x.tokens:
        raise UserError(
            f"network: {op.name}: threshold={op.threshold} prefix={op.prefix}, expected 0 to "
            f"255 and 0 to {x.tokens - 1}"
        )


def check_linear(network: Network, op: Linear) -> None:
    """That a layer's inputs fit each other, and its parameters them."""
    sources, target = [network.tensors[name] for name in op.inputs], network.tensors[op.output]
    if any(source.tokens != 1 for source in sources[1:]) or len(sources) > 2:
        raise UserError(
            f"network: {op.name} reads {', '.join(op.inputs)}, expected one tensor, or two "
            "of which the second has one token"
        )
    expected = {
        "weight": ((target.features, sum(source.features for source in sources)), np.int8),
        "bias": ((target.features,), np.int32),
        "mult": ((target.features,), np.uint16),
        "shift": ((target.features,), np.uint8),
    }
    if op.gelu:
        expected["table"] = ((256,), np.int8)
    for suffix, (shape, dtype) in expected.items():
        array = network.param(op, suffix)
        if array.shape != shape or array.dtype != dtype:
            raise UserError(
                f"network: {op.name}.{suffix} is {array.dtype} {array.shape}, "
                f"expected {np.dtype(dtype)} {shape}"
            )
