"""What values of a QDQ graph stand for while it is read: constants, and tensors seen through moves.

Nodes that only move elements (`Reshape`, `Transpose`, `Slice`, ...) are not matched against known
patterns but followed: a value is a tensor of the network together with an array that says, for
each of its elements, which element of the tensor it is. Tensors are (tokens, features) of one
image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.onnx.problems import Unmapped
from hw.quantization import Floats

Index = NDArray[np.int64]
MOST_ELEMENTS = 1 << 26
"""Of an array that reading a file may make."""
ZERO = -1
"""Index of an element that is zero and belongs to no tensor."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Tensor:
    """A tensor of the network, known by what makes it."""

    name: str
    tokens: int
    features: int
    scale: float | None = None
    """Of its int8 levels, when the graph rounds it to such."""
    unit: float | None = None
    """Of its 16 bits, where the file says so."""

    def whole(self, *shape: int) -> View:
        """All of it, in a shape of as many elements.

        Raises:
            Unmapped: it is too large.
        """
        if self.tokens * self.features > MOST_ELEMENTS:
            raise Unmapped(f"{self.tokens} tokens of {self.features} features, too many to read")
        return View(self, np.arange(self.tokens * self.features).reshape(shape))


@dataclass(frozen=True, eq=False, kw_only=True)
class Pixels(Tensor):
    """The image, `(pixel - mean) / std` by channel; one token."""

    shape: tuple[int, int, int]
    mean: Floats
    std: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Patches(Tensor):
    """The rounded image in patches."""

    pixels: Pixels
    patch: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Term:
    """A source times a weight: int8 levels (out, in) with scales (out)."""

    source: Tensor
    levels: NDArray[np.int8]
    scales: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Product(Tensor):
    """A linear layer; with two terms, the second one's source is one token common to all."""

    terms: tuple[Term, ...]
    bias: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Tensor):
    """A function of each element of a linear layer, rounded to int8."""

    product: Product
    function: Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False, kw_only=True)
class Heads:
    """Features of a rounded tensor, by head (heads, features of a head)."""

    tensor: Tensor
    features: Index


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreRows(Tensor):
    """Products of queries and keys, times a factor a head; `softened` behind the softmax."""

    queries: Heads
    keys: Heads
    factor: Floats
    softened: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixed(Tensor):
    """Values weighted by attention, times a factor a head."""

    rows: ScoreRows
    values: Heads
    factor: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Norm(Tensor):
    source: Tensor
    gain: Floats
    offset: Floats
    epsilon: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedded(Tensor):
    """Prefix tokens (prefix, features) before the source's, and positions (tokens, features)."""

    source: Tensor
    prefix: Floats
    position: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum(Tensor):
    """`gain * (a + b)`."""

    a: Tensor
    b: Tensor
    gain: float = 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Picked(Tensor):
    """One token."""

    source: Tensor
    place: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Mean(Tensor):
    source: Tensor
    start: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Selected(Tensor):
    """The tokens that a selection keeps."""

    source: Tensor
    keep: Tensor
    heads: Tensor
    threshold: int
    prefix: int
    after: str


WIDE = (Embedded, Sum, Picked, Mean, Selected)
"""Tensors that have 16 bits in the machine, whatever the graph rounds them to."""


@dataclass(frozen=True)
class Constant:
    array: NDArray[Any]


@dataclass(frozen=True)
class Weight:
    """A dequantized constant: int8 levels, and scales of as many axes."""

    levels: NDArray[np.int8]
    scales: Floats


@dataclass(frozen=True)
class View:
    """`factor * tensor[index] + shift`."""

    tensor: Tensor
    index: Index
    factor: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Curve:
    """`function(product[index])`."""

    product: Product
    index: Index
    function: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Levels:
    """What `QuantizeLinear` gives, until it is dequantized."""

    value: View | Curve
    scale: float
    bits: int


@dataclass(frozen=True)
class Lost:
    """What a node gives that cannot be mapped, or that reads such."""


Value = Constant | Weight | View | Curve | Levels | Lost


def places(view: View) -> tuple[Index, Index]:
    """Tokens of a view's rows and features of its columns, the last axis being the features.

    Raises:
        Unmapped: it is not made of rows and columns of its tensor.
    """
    if view.index.ndim < 2 or view.index.size == 0:
        raise Unmapped(f"it reads a value of shape {view.index.shape}, expected tokens by features")
    rows = view.index.reshape(-1, view.index.shape[-1])
    tokens, columns = rows[:, 0] // view.tensor.features, rows[0] % view.tensor.features
    if (rows < 0).any() or (rows != tokens[:, None] * view.tensor.features + columns).any():
        raise Unmapped(f"it reads elements of {view.tensor.name} that are no rows of features")
    return tokens, columns


def is_whole(view: View) -> bool:
    """Whether a view is all of its tensor, (..., tokens, features)."""
    size = view.tensor.tokens * view.tensor.features
    return bool(
        view.index.size == size
        and view.index.shape[-1] == view.tensor.features
        and (view.index.ravel() == np.arange(size)).all()
    )
