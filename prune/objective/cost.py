"""The cycle model in torch: differentiable in the kept blocks and in the live tokens.

Output tiles follow each other as in `sim.cycles`, in the compiler's order: a tile computes
`max(tokens, cycles to load it)` for every kept weight tile, then stores one result a token while
the next tile computes, and its accumulators are free for the tile after that. Attention loads its
weight tiles from the features memory, and its tokens decide how many there are. Tokens beyond the
depth of the accumulators go through in parts.

What an operation takes beyond that (the start, waiting for the operation before) is measured on the
dense network, where both models agree by construction, and taken as constant; what the array waits
for the vector unit grows with the tokens. Rounding up keeps
its value and passes on the gradient of the unrounded number (a straight-through estimate). Heads
whose features do not fill whole tiles are counted as if they did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hw.config import ArrayConfig
from hw.ir import Attend, Linear, Network, Op, Scores
from hw.program.isa import tile_head_bytes
from hw.program.schedule import spread_order
from prune.blocks import BlockGrid, check_block
from sim.cycles import network_cycles

_TO_STORE = 3
"""Cycles, besides one a row, from a tile's last token to its first result."""
_TO_FREE = 7
"""Cycles from storing a tile's last result until its accumulators are free."""

_ADDITION = 9
"""Cycles, besides one a token and a level of the tree over the lanes, of adding a word row."""

_WAIT = 25
"""Tokens whose time the constant part of a wait for the vector unit takes: of 4 T + 100 cycles."""


def ceil_through(x: Tensor) -> Tensor:
    """`ceil(x)` with the gradient of `x`."""
    return x + (x.ceil() - x).detach()


@dataclass(frozen=True)
class _Tiles:
    """An operation on the array, by its tiles."""

    tokens: float
    """Live tokens when none were dropped."""
    load: int
    """Least cycles of one weight tile."""


@dataclass(frozen=True)
class _LinearTiles(_Tiles):
    head: int
    """Cycles in which an output tile's header, biases and scales load."""
    floor: float
    """Least cycles of an output tile beyond one a token, times its share of a word row: the vector
    unit takes the results into the residual stream meanwhile. 0 where it does not."""
    share: float
    """Of a word row that an output tile fills."""
    row: Tensor
    """Block row of each output tile."""
    in_tiles: Tensor
    """Input tiles of each block column."""


@dataclass(frozen=True)
class _AttentionTiles(_Tiles):
    heads: int
    out_tiles: int | None
    """Output tiles of a head; None: as many as the tokens fill."""
    in_tiles: int | None
    """Input tiles of each; None: as many as the tokens fill."""


class SoftCycles:
    """Cycles of a network on the array, as a torch function of kept blocks and live tokens.

    Example: `SoftCycles(network, config)(keep={"head": mask}, tokens={"head": tokens}).backward()`.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        """Measure the overhead of every operation of `network`, whose weights must be dense.

        Raises:
            UserError: when the network's blocks are not made of whole tiles of the array.
        """
        self._config = config
        self._linear: dict[str, _LinearTiles] = {}
        self._attention: dict[str, _AttentionTiles] = {}
        for op in network.ops:
            if isinstance(op, Linear):
                check_block(op.block_shape, config)
                self._linear[op.name] = _linear_tiles(network, op, config)
            elif isinstance(op, Scores | Attend):
                self._attention[op.name] = _attention_tiles(network, op, config)
        exact = network_cycles(network, config)
        modelled = self._modelled({}, {})
        self._overhead = {name: exact.by_op[name] - float(modelled[name]) for name in modelled}
        self._waiting = dict.fromkeys(modelled, 0)
        beside = 0
        for op in network.ops:
            if op.name in modelled:
                self._waiting[op.name], beside = beside, 0
            else:
                beside += exact.by_op[op.name]
        self._beside = exact.total - sum(exact.by_op.values()) + beside

    def __call__(
        self,
        keep: Mapping[str, Tensor] | None = None,
        tokens: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Total cycles, a float64 scalar.

        Args:
            keep: how much of each block stays, 0 to 1, of the block grid's size, by linear layer;
                a layer left out is dense.
            tokens: live tokens, scalars, by operation on the array; one left out has all of them.

        Raises:
            KeyError: on a name that is no operation on the array, or no linear layer for `keep`.
        """
        return self.total(self.by_op(keep, tokens))

    def total(self, cycles: Mapping[str, Tensor]) -> Tensor:
        """Cycles of the network whose operations on the array take `cycles`."""
        return torch.stack(list(cycles.values())).sum() + self._beside

    def by_op(
        self,
        keep: Mapping[str, Tensor] | None = None,
        tokens: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cycles of every operation on the array, by name, with what it waits for the vector unit.

        Arguments as for a call.
        """
        keep, tokens = keep or {}, tokens or {}
        unknown = keep.keys() - self._linear.keys() | tokens.keys() - self._overhead.keys()
        if unknown:
            raise KeyError(f"not an operation on the array: {min(unknown)}")
        modelled = self._modelled(keep, tokens)
        cycles = {}
        for name, extra in self._overhead.items():
            tiles: _Tiles = self._linear.get(name) or self._attention[name]
            longer = (_live(tiles, tokens.get(name)) + _WAIT) / (tiles.tokens + _WAIT)
            cycles[name] = modelled[name] + extra + self._waiting[name] * longer
        return cycles

    def _modelled(
        self, keep: Mapping[str, Tensor], tokens: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        cycles = {}
        for name, tiles in self._attention.items():
            cycles[name] = self._attention_cycles(tiles, _live(tiles, tokens.get(name)))
        parts, computing, storing, holding = [], [], [], []
        for name, linear in self._linear.items():
            live = _live(linear, tokens.get(name))
            depth = linear.in_tiles.sum().expand(len(linear.row))
            if name in keep:
                depth = (keep[name].double() @ linear.in_tiles)[linear.row]
            count, tile = self._per_weight_tile(linear, live)
            parts.append(count)
            stored = live / count
            order = spread_order((depth * tile < stored).numpy())
            depth = depth[torch.from_numpy(order)]
            least = linear.share * (live / count + linear.floor) if linear.floor else live * 0
            busy = torch.maximum(depth * tile, depth * linear.load + linear.head)
            computing.append(torch.maximum(busy, least.expand_as(busy)))
            storing.append(stored)
            holding.append(depth > 0)
        ends = self._follow(computing, holding, torch.stack(storing)) * torch.stack(parts)
        return cycles | dict(zip(self._linear, ends, strict=True))

    def _per_weight_tile(self, tiles: _Tiles, live: Tensor) -> tuple[Tensor, Tensor]:
        """Parts that the tokens go through in, and cycles of one weight tile in each."""
        parts = (live.detach() / self._config.acc_depth).ceil().clamp(min=1)
        return parts, torch.clamp(live / parts, min=tiles.load)

    def _attention_cycles(self, tiles: _AttentionTiles, live: Tensor) -> Tensor:
        config = self._config
        parts, tile = self._per_weight_tile(tiles, live)
        out_tiles = tiles.out_tiles or ceil_through(live / config.cols)
        computing = tile * (tiles.in_tiles or ceil_through(live / config.rows))
        storing = live / parts
        latency = config.rows + _TO_STORE
        alternating = (computing + storing + latency + _TO_FREE) / 2
        period = torch.maximum(torch.maximum(computing, storing), alternating)
        return tiles.heads * parts * out_tiles * period

    def _follow(self, computing: list[Tensor], holding: list[Tensor], storing: Tensor) -> Tensor:
        """Cycles of each layer's output tiles one after the other.

        Args:
            computing: of each output tile, (tiles,) by layer.
            holding: whether it has blocks, and so holds accumulators, (tiles,) by layer.
            storing: of one output tile, (layers,).
        """
        counts = torch.tensor([len(tiles) for tiles in computing])
        padded = pad_sequence(computing)  # (most tiles, layers)
        computed = stored = torch.zeros_like(storing)
        held = held_before = torch.full_like(storing, -_TO_FREE)  # results stored, by bank
        for number, (cycles, holds) in enumerate(zip(padded, pad_sequence(holding), strict=True)):
            more = number < counts
            start = torch.where(holds, torch.maximum(computed, held_before + _TO_FREE), computed)
            end = start + cycles
            first_result = end + self._config.rows + _TO_STORE
            done = torch.maximum(first_result, stored) + storing
            computed = torch.where(more, end, computed)
            stored = torch.where(more, done, stored)
            held_before = torch.where(more & holds, held, held_before)
            held = torch.where(more & holds, done, held)
        return computed


def _live(tiles: _Tiles, tokens: Tensor | None) -> Tensor:
    return torch.tensor(tiles.tokens, dtype=torch.float64) if tokens is None else tokens.double()


def _linear_tiles(network: Network, op: Linear, config: ArrayConfig) -> _LinearTiles:
    target = network.tensors[op.output]
    grid = BlockGrid(network.param(op, "weight").shape, op.block_shape)
    out_tiles = torch.from_numpy(grid.pieces((config.cols, grid.shape[1]))[:, 0])
    in_tiles = torch.from_numpy(grid.pieces((grid.shape[0], config.rows))[0])
    return _LinearTiles(
        tokens=target.tokens,
        load=config.block_lines + 1,
        head=tile_head_bytes(config) // config.line_bytes,
        floor=_ADDITION + math.log2(config.vector_lanes) if target.bits == 16 else 0.0,
        share=config.cols / config.word_bytes,
        row=torch.arange(len(out_tiles)).repeat_interleave(out_tiles),
        in_tiles=in_tiles.double(),
    )


def _attention_tiles(network: Network, op: Op, config: ArrayConfig) -> _AttentionTiles:
    qkv, target = network.tensors[op.inputs[-1]], network.tensors[op.output]
    by_tokens = isinstance(op, Scores)  # else by features
    side = config.rows if by_tokens else config.cols
    features = -(-qkv.group_features // side)
    return _AttentionTiles(
        tokens=target.tokens,
        # Keys fill the columns, and enter once the tile before has left the rows.
        load=config.rows + (config.cols if by_tokens else 1),
        heads=qkv.groups // 3,
        out_tiles=None if by_tokens else features,
        in_tiles=features if by_tokens else None,
    )
