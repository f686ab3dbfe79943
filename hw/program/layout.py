"""Where tensors lie in the machine's memories.

There are four memories, so that array and vector unit never wait for a port of the other: int8
tensors of the array (`FEATURES`), int8 tensors of the vector unit (`NORMAL`), int16 tensors of the
array (`SUMS`), int16 tensors of the vector unit (`RESIDUAL`). A word holds `word_bytes` features of
one token. The features of a tensor come in groups, each padded to whole words; a word row is the
words of all tokens for the same features. Of attention's scores and probabilities only the heads
at work lie in memory: head h in place h modulo `held`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import ARRAY_OPS, Embed, Network, Op, Scores, Softmax, TensorSpec, TokenSelect

HEADS_HELD = 2
"""Heads of the scores and of the probabilities that lie in memory at a time."""


class Memory(Enum):
    """The memories of the machine."""

    FEATURES = "features"
    NORMAL = "normal"
    SUMS = "sums"
    RESIDUAL = "residual"

    @property
    def wide(self) -> bool:
        """Whether it holds int16."""
        return self in (Memory.SUMS, Memory.RESIDUAL)

    def words(self, config: ArrayConfig) -> int:
        """Its depth."""
        return config.wide_words if self.wide else config.act_words


@dataclass(frozen=True)
class Placement:
    """A tensor in a memory, in words."""

    memory: Memory
    base: int
    tokens: int
    features: int
    groups: int
    group_words: int
    """Word rows of one group."""
    held: int
    """Groups that lie in memory at a time."""

    @property
    def stride(self) -> int:
        """Words from one word row to the next."""
        return self.tokens

    @property
    def word_rows(self) -> int:
        """Of all groups."""
        return self.groups * self.group_words

    @property
    def words(self) -> int:
        return self.held * self.group_words * self.tokens

    @property
    def group_features(self) -> int:
        return self.features // self.groups

    def group_address(self, group: int) -> int:
        """Word of the first token and feature of a group."""
        return self.base + group % self.held * self.group_words * self.stride

    def written_features(self, word_bytes: int) -> int:
        """Padded features of a group that the array writes.

        Behind the last feature of a single group, and behind the last key of a head's scores (the
        one int16 tensor with groups), nobody reads. Elsewhere the padding is computed along.
        """
        if self.groups == 1 or self.memory.wide:
            return self.group_features
        return self.group_words * word_bytes

    def positions(self, word_bytes: int) -> NDArray[np.int64]:
        """Position of each feature among the padded features: (features,)."""
        feature = np.arange(self.features)
        padded = self.group_words * word_bytes
        return feature // self.group_features * padded + feature % self.group_features

    def to_rows(
        self, values: NDArray[np.integer], word_bytes: int, padding: int = 0
    ) -> NDArray[np.integer]:
        """A tensor's words: (word rows, tokens, word_bytes), from (tokens, features)."""
        padded = np.full((self.tokens, self.word_rows * word_bytes), padding, values.dtype)
        padded[:, self.positions(word_bytes)] = values
        rows = padded.reshape(self.tokens, self.word_rows, word_bytes)
        return rows.transpose(1, 0, 2)

    def feature(self, row: int, lane: int, word_bytes: int) -> int | None:
        """The feature in a lane of a word row (of all groups), or None for padding."""
        group, offset = divmod(row * word_bytes + lane, self.group_words * word_bytes)
        return group * self.group_features + offset if offset < self.group_features else None


def _memory_of(op: Op, spec: TensorSpec) -> Memory:
    if isinstance(op, ARRAY_OPS):
        return Memory.SUMS if spec.bits == 16 else Memory.FEATURES
    return Memory.RESIDUAL if spec.bits == 16 else Memory.NORMAL


def heads_copy(op: TokenSelect) -> str:
    """Name of the place in the residual memory to which a selector's head weights are copied."""
    return f"{op.name}.heads"


def _placement(spec: TensorSpec, memory: Memory, held: int, word_bytes: int) -> Placement:
    return Placement(
        memory=memory,
        base=0,
        tokens=spec.tokens,
        features=spec.features,
        groups=spec.groups,
        group_words=-(-spec.group_features // word_bytes),
        held=min(held, spec.groups),
    )


def _first_fit(size: int, taken: list[tuple[int, int]]) -> int:
    base = 0
    for first, end in sorted(taken):
        if base + size <= first:
            break
        base = max(base, end)
    return base


def place_tensors(
    network: Network, config: ArrayConfig, together: Sequence[int]
) -> dict[str, Placement]:
    """Give every tensor its place, and every copy of a selector's head weights.

    A tensor keeps its place while operations that write or read it are under way. The tensor of an
    embedding holds the positions from the start of the program on.

    Args:
        together: for every operation, the number of the group of operations that run together.

    Raises:
        UserError: when a memory is too small.
    """
    last_use = {Network.INPUT: 0}
    for op, group in zip(network.ops, together, strict=True):
        for name in (*op.inputs, op.output):
            last_use[name] = group
    last_use[network.output] = len(network.ops)
    placements: dict[str, Placement] = {}

    def put(name: str, spec: TensorSpec, memory: Memory, held: int, group: int) -> None:
        placement = _placement(spec, memory, held, config.word_bytes)
        taken = [
            (other.base, other.base + other.words)
            for key, other in placements.items()
            if other.memory is memory and last_use[key] >= group
        ]
        base = _first_fit(placement.words, taken)
        if base + placement.words > memory.words(config):
            setting = "wide_words" if memory.wide else "act_words"
            raise UserError(
                f"{network.model}: {name} needs the {memory.value} memory up to word "
                f"{base + placement.words}, the machine has {setting}={memory.words(config)}; "
                f"set {setting.upper()} to a larger power of two"
            )
        placements[name] = Placement(**{**vars(placement), "base": base})

    tensors = network.tensors
    put(Network.INPUT, tensors[Network.INPUT], Memory.FEATURES, 1, 0)
    for op in network.ops:
        if isinstance(op, Embed):
            put(op.output, tensors[op.output], Memory.RESIDUAL, 1, 0)
    for op, group in zip(network.ops, together, strict=True):
        if op.output in placements:
            continue
        spec = tensors[op.output]
        if isinstance(op, TokenSelect):
            last_use[heads_copy(op)] = group
            put(heads_copy(op), tensors[op.inputs[2]], Memory.RESIDUAL, 1, group)
        held = HEADS_HELD if isinstance(op, Scores | Softmax) else spec.groups
        put(op.output, spec, _memory_of(op, spec), held, group)
    return placements
