"""The IR: an ordered list of integer operations on named tensors.

A tensor is (tokens, features) of int8 or int16. Features come in equal `groups` (the heads of
attention), which the compiler aligns in memory and which may carry a scale each. Behind a
`TokenSelect` the number of tokens differs from image to image: the live count. What an operation
means is `docs/integer.md`; `sim.reference` executes it.

On disk a network is `network.json` (structure) beside `network.safetensors` (parameters).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw.artifacts import read_json, read_tensors, write_json, write_tensors
from hw.errors import UserError

FORMAT_VERSION = 1


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


@dataclass
class Network:
    """A quantized network: operations in execution order, tensors and parameters by name."""

    model: str
    image: ImageSpec
    ops: list[Op]
    tensors: dict[str, TensorSpec]
    params: dict[str, NDArray[Any]]
    info: dict[str, Any] = field(default_factory=dict)
    """Where it came from: weights_source, seed, budget, method, accuracies."""

    INPUT: ClassVar[str] = "patches"

    @property
    def output(self) -> str:
        return self.ops[-1].output

    def param(self, op: Op, suffix: str) -> NDArray[Any]:
        return self.params[f"{op.name}.{suffix}"]

    def linears(self) -> Iterator[Linear]:
        return (op for op in self.ops if isinstance(op, Linear))

    def validate(self) -> None:
        """Check that names, shapes and types fit together.

        Raises:
            UserError: at the first operation that does not.
        """
        known = {self.INPUT}
        for op in self.ops:
            for name in (*op.inputs, op.output):
                if name not in self.tensors:
                    raise UserError(f"network: {op.name} names an unknown tensor {name!r}")
            missing = [name for name in op.inputs if name not in known]
            if missing:
                raise UserError(f"network: {op.name} reads {missing[0]!r} before it is written")
            for name in op.param_names():
                if name not in self.params:
                    raise UserError(f"network: the parameter {name!r} is missing")
            known.add(op.output)
            if isinstance(op, Linear):
                self._validate_linear(op)
            if isinstance(op, TokenSelect):
                self._validate_select(op)
        self.selected_by()

    def selected_by(self) -> dict[str, str]:
        """The `TokenSelect` whose live count a tensor has, by tensor; "" where tokens are fixed.

        Raises:
            UserError: when an operation meets tokens of different selections, or of another than
                the last one.
        """
        found, last = {self.INPUT: ""}, ""
        for op in self.ops:
            sources = {found[name] for name in op.inputs if self.tensors[name].tokens > 1}
            if len(sources) > 1:
                raise UserError(f"network: {op.name} mixes tokens before and after a selection")
            source = sources.pop() if sources else ""
            if source not in ("", last):
                raise UserError(
                    f"network: {op.name} reads tokens that {source} selected, after {last}"
                )
            if isinstance(op, TokenSelect):
                source = last = op.name
            found[op.output] = "" if isinstance(op, SelectToken | MeanTokens) else source
        return found

    def _validate_select(self, op: TokenSelect) -> None:
        earlier = [o.name for o in self.ops if isinstance(o, TokenSelect)]
        before = earlier[: earlier.index(op.name)]
        if op.after != (before[-1] if before else ""):
            raise UserError(
                f"network: {op.name} comes after {op.after!r}, expected "
                f"{before[-1] if before else ''!r}, the selection before it"
            )
        if len(op.inputs) != 3:
            raise UserError(
                f"network: {op.name} has {len(op.inputs)} inputs, expected the tokens, keep and "
                "heads"
            )
        x, keep, heads = (self.tensors[name] for name in op.inputs)
        if (keep.tokens, keep.features) != (x.tokens, heads.features) or heads.tokens != x.tokens:
            raise UserError(
                f"network: {op.name}: keep ({keep.tokens}, {keep.features}) and heads "
                f"({heads.tokens}, {heads.features}), expected one shape and {x.tokens} tokens"
            )
        target = self.tensors[op.output]
        if (target.tokens, target.features) != (x.tokens, x.features):
            raise UserError(
                f"network: {op.name} gives ({target.tokens}, {target.features}), expected "
                f"({x.tokens}, {x.features})"
            )
        narrow = [n for n in (*op.inputs, op.output) if self.tensors[n].bits != 16]
        if narrow:
            raise UserError(f"network: {op.name}: {narrow[0]} has 8 bits, expected 16")
        if not 0 <= op.threshold < 256 or not 0 <= op.prefix < x.tokens:
            raise UserError(
                f"network: {op.name}: threshold={op.threshold} prefix={op.prefix}, expected 0 to "
                f"255 and 0 to {x.tokens - 1}"
            )

    def _validate_linear(self, op: Linear) -> None:
        sources, target = [self.tensors[name] for name in op.inputs], self.tensors[op.output]
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
            array = self.param(op, suffix)
            if array.shape != shape or array.dtype != dtype:
                raise UserError(
                    f"network: {op.name}.{suffix} is {array.dtype} {array.shape}, "
                    f"expected {np.dtype(dtype)} {shape}"
                )


def _op_to_dict(op: Op) -> dict[str, Any]:
    return {"kind": op.kind, **asdict(op)}


def _op_from_dict(entry: dict[str, Any]) -> Op:
    values = dict(entry)
    kind = OP_KINDS.get(values.pop("kind", ""))
    if kind is None:
        raise UserError(f"network: unknown operation kind {entry.get('kind')!r}")
    names = {f.name for f in fields(kind)}
    if set(values) != names:
        wrong = sorted(set(values) ^ names)
        raise UserError(f"network: {entry.get('name')}: missing or unknown field {wrong[0]!r}")
    arguments: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return kind(**arguments)


def save_network(network: Network, folder: Path) -> None:
    """Write `network.safetensors`, then `network.json`, into `folder`."""
    network.validate()
    write_tensors(folder / "network.safetensors", network.params)
    write_json(
        folder / "network.json",
        {
            "format": FORMAT_VERSION,
            "model": network.model,
            "info": network.info,
            "image": asdict(network.image),
            "tensors": {name: asdict(spec) for name, spec in network.tensors.items()},
            "ops": [_op_to_dict(op) for op in network.ops],
        },
    )


def load_network(folder: Path) -> Network:
    """Read what `save_network` wrote.

    Raises:
        UserError: when a file is missing, cut short, or does not hold a consistent network.
    """
    remedy = "run `python -m prune` again"
    entry = read_json(folder / "network.json", "a network description", remedy)
    params = read_tensors(folder / "network.safetensors", "the parameters of a network", remedy)
    try:
        if entry["format"] != FORMAT_VERSION:
            raise UserError(
                f"{folder}: network format {entry['format']}, expected {FORMAT_VERSION}; {remedy}"
            )

        def tuples(values: dict[str, Any]) -> dict[str, Any]:
            return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}

        network = Network(
            model=entry["model"],
            image=ImageSpec(**tuples(entry["image"])),
            ops=[_op_from_dict(op) for op in entry["ops"]],
            tensors={name: TensorSpec(**tuples(spec)) for name, spec in entry["tensors"].items()},
            params=params,
            info=entry["info"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}/network.json: not a network ({error}); {remedy}") from error
    network.validate()
    return network
