"""What the lowering of operations starts from: the network, the machine, places of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.layout import Placement


def _chunks(tokens: int, depth: int) -> list[tuple[int, int]]:
    """(first token, tokens) of nearly equal parts that fit the accumulators."""
    count = -(-tokens // depth)
    edges = [tokens * i // count for i in range(count + 1)]
    return [(a, b - a) for a, b in pairwise(edges)]


@dataclass(frozen=True)
class OpLowering:
    """The network, the machine, and where tensors lie."""

    network: Network
    config: ArrayConfig
    placements: dict[str, Placement]

    def place(self, name: str) -> Placement:
        return self.placements[name]

    def chunks(self, tokens: int) -> list[tuple[int, int]]:
        return _chunks(tokens, self.config.acc_depth)

    @cached_property
    def _selected_by(self) -> dict[str, str]:
        return self.network.selected_by()

    def live(self, name: str) -> int:
        """The flag of an instruction that takes a tensor's tokens: 1 behind a token selector."""
        return int(self._selected_by.get(name, "") != "")
