"""Tensors and operations of the IR: see `hw.ir`. What an operation means is `docs/integer.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class TensorSpec:
    """Shape, width and scale of a tensor.

    `tokens` is the most that it can have: behind a `TokenSelect` a run has as many as were kept.
    `scales` holds one value for the whole tensor or one a group: real value = integer * scale.
    """

    tokens: int
    features: int
    bits: int = 8
    scales: tuple[float, ...] = (1.0,)
    groups: int = 1

    @property
    def group_features(self) -> int:
        return self.features // self.groups


@dataclass(frozen=True)
class ImageSpec:
    """The input image and how it becomes int8 patches.

    A pixel in [0, 1] is normalized with `mean` and `std`, divided by `scale`, rounded half up and
    saturated. A patch row holds channel, then row, then column, as a flattened convolution kernel.
    """

    channels: int
    height: int
    width: int
    patch: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def patches(self) -> int:
        return (self.height // self.patch) * (self.width // self.patch)


@dataclass(frozen=True)
class Op:
    """One operation. `block` is the encoder block it belongs to, -1 outside of them."""

    kind: ClassVar[str] = ""
    params: ClassVar[tuple[str, ...]] = ()

    name: str
    block: int
    inputs: tuple[str, ...]
    output: str

    def param_names(self) -> tuple[str, ...]:
        """Names of this operation's arrays in `Network.params`."""
        return tuple(f"{self.name}.{suffix}" for suffix in self.params)


@dataclass(frozen=True)
class Linear(Op):
    """`y = requantize(x @ weight.T, bias, mult, shift)`, then a table when there is one.

    A second input of one token is common to all tokens: its features follow those of each token of
    the first. With `gelu` the sums become int8, are looked up in `table` and, in a 16-bit tensor,
    extended. Params: weight int8 (out, in), bias int32 (out), mult uint16 (out), shift uint8 (out),
    and with `gelu` table int8 (256). `block_shape` is the (out, in) shape of a prunable block.
    """

    kind: ClassVar[str] = "linear"
    params: ClassVar[tuple[str, ...]] = ("weight", "bias", "mult", "shift")

    gelu: bool = False
    block_shape: tuple[int, int] = (16, 16)

    def param_names(self) -> tuple[str, ...]:
        suffixes = (*self.params, "table") if self.gelu else self.params
        return tuple(f"{self.name}.{suffix}" for suffix in suffixes)


@dataclass(frozen=True)
class Scores(Op):
    """`q @ k.T` of every head, requantized to int16 in units of 2^-8 of a power of two.

    The input holds the groups q of all heads, k of all heads, v of all heads.
    """

    kind: ClassVar[str] = "scores"

    heads: int = 1
    mult: tuple[int, ...] = (1,)
    shift: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Attend(Op):
    """`probabilities @ v` of every head; inputs are the probabilities and the qkv tensor."""

    kind: ClassVar[str] = "attend"

    heads: int = 1
    mult: tuple[int, ...] = (1,)
    shift: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over every group of int16 scores, to int8."""

    kind: ClassVar[str] = "softmax"

    probability_mult: int = 1


@dataclass(frozen=True)
class LayerNorm(Op):
    """Layer normalization of int16 to int8. Params: gain int16, offset int32 (features)."""

    kind: ClassVar[str] = "layernorm"
    params: ClassVar[tuple[str, ...]] = ("gain", "offset")

    shift: int = 0
    epsilon: int = 1


@dataclass(frozen=True)
class Embed(Op):
    """Prefix tokens before the patch tokens, then position embeddings added, int16.

    Params: prefix int16 (prefix tokens, features), position int16 (tokens, features); the prefix
    already holds its own position embedding, whose rows in `position` are zero.
    """

    kind: ClassVar[str] = "embed"
    params: ClassVar[tuple[str, ...]] = ("prefix", "position")


@dataclass(frozen=True)
class Add(Op):
    """Saturating addition of two int16 tensors of one scale."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True)
class SelectToken(Op):
    """The single token `index`."""

    kind: ClassVar[str] = "select"

    index: int = 0


@dataclass(frozen=True)
class MeanTokens(Op):
    """Mean over the live tokens from `start` on, int16, in the scale of its input."""

    kind: ClassVar[str] = "mean"

    start: int = 0


@dataclass(frozen=True)
class TokenSelect(Op):
    """Keeps the tokens whose score reaches `threshold`, and averages the others into one.

    Inputs: the residual stream int16 (tokens, features); `keep` and `heads`, int16 (tokens, heads)
    of 0 to 127, a head's vote for a token and the weight of that vote. The output has the kept
    tokens in their order, then the package token if any token was dropped.
    """

    kind: ClassVar[str] = "token_select"

    threshold: int = 127
    """Of a score from 0 to 254, which stands for 1."""
    prefix: int = 1
    """Tokens in front that always stay."""
    after: str = ""
    """The `TokenSelect` before this one, whose package token, if it made one, is the last token."""


ARRAY_OPS = (Linear, Scores, Attend)
"""Operations that run on the systolic array; the others run on the vector unit."""

OP_KINDS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Linear,
        Scores,
        Attend,
        Softmax,
        LayerNorm,
        Embed,
        Add,
        SelectToken,
        MeanTokens,
        TokenSelect,
    )
}
