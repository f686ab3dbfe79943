"""The table of an activation function that a graph computes in real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw.integer import INT8_MAX, INT8_MIN
from hw.onnx.qdq.values import Product, Table
from hw.quantization import to_int8

_LEVELS = np.arange(INT8_MIN, INT8_MAX + 1).astype(np.float64)
_SAMPLES = 1 << 14
_REACH = 8.0
"""Beyond the range of the result, up to which the input is searched for changes."""


def fitted(table: Table) -> tuple[Product, float, NDArray[np.int8]]:
    """The linear layer before a table, the scale of its int8 sums, and the entries.

    Where the graph does not round the sums, their scale and center cover what changes the result.
    """
    product, scale_out = table.product, table.scale or 1.0
    scale, center = product.scale, 0.0
    if scale is None:
        reach = _REACH - INT8_MIN * scale_out
        x = np.linspace(-reach, reach, _SAMPLES + 1)
        changes = np.flatnonzero(np.diff(to_int8(table.function(x), scale_out)))
        low, high = (x[changes[0]], x[changes[-1] + 1]) if len(changes) else (-1.0, 1.0)
        scale = float(high - low) / (len(_LEVELS) - 1)
        center = float(low) - INT8_MIN * scale
        product = replace(product, bias=product.bias - center)
    values = table.function(_LEVELS * scale + center)
    return product, scale, to_int8(values, scale_out).astype(np.int8)
