"""Where tensors lie in activation memory.

A word holds `word_bytes` features of one token. The features of a tensor come in groups, each
padded to whole words; a word row is the words of all tokens for the same features. An int16 tensor
has two word rows for each: low bytes, then high bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import ARRAY_OPS, Network, TensorSpec


@dataclass(frozen=True)
class Placement:
    """A tensor in activation memory, in words."""

    base: int
    tokens: int
    features: int
    groups: int
    group_words: int
    """Word rows of one group, counting an int16 pair once."""
    planes: int
    """1 for int8, 2 for int16."""

    @property
    def stride(self) -> int:
        """Words from one word row to the next."""
        return self.tokens

    @property
    def word_rows(self) -> int:
        return self.groups * self.group_words

    @property
    def words(self) -> int:
        return self.word_rows * self.planes * self.tokens

    def group_address(self, group: int) -> int:
        """Word of the first token and feature of a group."""
        return self.base + group * self.group_words * self.planes * self.stride

    def written_features(self, word_bytes: int) -> int:
        """Padded features of a group that the array writes.

        Behind the last feature of a single group, and behind the last key of a head's scores (the
        one int16 tensor with groups), nobody reads. Elsewhere the padding is computed along.
        """
        if self.groups == 1 or self.planes == 2:
            return self.features // self.groups
        return self.group_words * word_bytes

    def positions(self, word_bytes: int) -> NDArray[np.int64]:
        """Position of each feature among the padded features: (features,)."""
        size = self.features // self.groups
        feature = np.arange(self.features)
        return feature // size * (self.group_words * word_bytes) + feature % size

    def to_words(
        self, values: NDArray[np.integer], word_bytes: int, padding: int = 0
    ) -> NDArray[np.int8]:
        """The memory image of a tensor: (words, word_bytes), from (tokens, features)."""
        padded = np.full((self.tokens, self.word_rows * word_bytes), padding, np.int16)
        padded[:, self.positions(word_bytes)] = values
        planes = [padded.astype(np.int8)]
        if self.planes == 2:
            planes = [(padded & 0xFF).astype(np.uint8).view(np.int8), (padded >> 8).astype(np.int8)]
        rows = np.stack([p.reshape(self.tokens, self.word_rows, word_bytes) for p in planes])
        return rows.transpose(2, 0, 1, 3).reshape(self.words, word_bytes)

    def locate(self, address: int, lane: int, word_bytes: int) -> tuple[int, int] | None:
        """(token, feature) behind a lane of a word, or None for padding."""
        row, token = divmod(address - self.base, self.stride)
        position = row // self.planes * word_bytes + lane
        group, offset = divmod(position, self.group_words * word_bytes)
        size = self.features // self.groups
        return (token, group * size + offset) if offset < size else None


def _placement(spec: TensorSpec, base: int, word_bytes: int) -> Placement:
    return Placement(
        base=base,
        tokens=spec.tokens,
        features=spec.features,
        groups=spec.groups,
        group_words=-(-spec.group_features // word_bytes),
        planes=spec.bits // 8,
    )


def _first_fit(size: int, taken: list[tuple[int, int]]) -> int:
    base = 0
    for first, end in sorted(taken):
        if base + size <= first:
            break
        base = max(base, end)
    return base


def place_tensors(network: Network, config: ArrayConfig) -> dict[str, Placement]:
    """Give every tensor that the array reads or writes its place.

    A tensor keeps its place from the operation that writes it to the end of the run of array or
    host operations that reads it last, so that the host finds every result since its last turn.

    Raises:
        UserError: when the activation memory is too small.
    """
    on_array = [isinstance(op, ARRAY_OPS) for op in network.ops]
    runs = np.cumsum([0] + [int(a != b) for a, b in pairwise(on_array)])
    used_by_array = {
        name
        for op, array in zip(network.ops, on_array, strict=True)
        if array
        for name in (*op.inputs, op.output)
    }
    last_run = {Network.INPUT: 0}
    for op, run in zip(network.ops, runs, strict=True):
        for name in (*op.inputs, op.output):
            last_run[name] = int(run)
    placements: dict[str, Placement] = {}
    live: dict[str, tuple[int, int]] = {}

    def put(name: str) -> None:
        placement = _placement(network.tensors[name], 0, config.word_bytes)
        base = _first_fit(placement.words, list(live.values()))
        if base + placement.words > config.act_words:
            raise UserError(
                f"{network.model}: {name} needs activation memory up to word "
                f"{base + placement.words}, the array has act_words={config.act_words} of "
                f"{config.word_bytes} bytes; set ACT_WORDS to a larger power of two"
            )
        placements[name] = _placement(network.tensors[name], base, config.word_bytes)
        live[name] = (base, base + placement.words)

    put(Network.INPUT)
    for op, run in zip(network.ops, runs, strict=True):
        for name in [n for n in live if last_run[n] < run]:
            del live[name]
        if op.output in used_by_array:
            put(op.output)
    return placements
