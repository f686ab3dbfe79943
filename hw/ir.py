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

from numpy.typing import NDArray

from hw.artifacts import read_json, read_tensors, write_json, write_tensors
from hw.checks import check_linear, check_select
from hw.errors import UserError
from hw.ops import (
    ARRAY_OPS,
    OP_KINDS,
    Add,
    Attend,
    Embed,
    ImageSpec,
    LayerNorm,
    Linear,
    MeanTokens,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TensorSpec,
    TokenSelect,
)

__all__ = [
    "ARRAY_OPS",
    "OP_KINDS",
    "Add",
    "Attend",
    "Embed",
    "ImageSpec",
    "LayerNorm",
    "Linear",
    "MeanTokens",
    "Network",
    "Op",
    "Scores",
    "SelectToken",
    "Softmax",
    "TensorSpec",
    "TokenSelect",
    "load_network",
    "save_network",
]

FORMAT_VERSION = 1


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
                check_linear(self, op)
            if isinstance(op, TokenSelect):
                check_select(self, op)
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
