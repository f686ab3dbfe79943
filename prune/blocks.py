"""Weight blocks: every prunable layer of a ViT as a 2-D matrix cut into (out, in) blocks.

A linear layer is its weight; a convolution is its weight with (channel, row, column) flattened, as
the array sees a patch. `prune.models.reach` says which layers these are. The grid need not divide
the matrix: blocks at the lower and right edges are partial. Layers go by their module path, e.g.
`blocks.0.attn.qkv`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hw.config import ArrayConfig
from hw.errors import UserError
from prune.models.reach import why_dense

BlockShape = tuple[int, int]
"""(output features, input features) of a block."""

_BLOCK = re.compile(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?")


def parse_block(text: str) -> BlockShape:
    """`"32x16"` (out x in) or `"16"` (square) as a block shape.

    Raises:
        UserError: neither of the two forms.
    """
    match = _BLOCK.fullmatch(text.strip())
    if match is None:
        raise UserError(f"block {text!r}: expected OUTxIN or one number, e.g. 16x16 or 32")
    rows = int(match[1])
    return rows, int(match[2] or rows)


def check_block(block: BlockShape, config: ArrayConfig) -> None:
    """Check that a block is made of whole tiles of the array, (cols, rows) each.

    Raises:
        UserError: when it is not.
    """
    tile = (config.cols, config.rows)
    if block[0] % tile[0] or block[1] % tile[1]:
        raise UserError(
            f"block {block[0]}x{block[1]}: expected multiples of the array's tile "
            f"{tile[0]}x{tile[1]} (cols x rows); use --block {tile[0]}x{tile[1]} or another array"
        )


@dataclass(frozen=True)
class BlockGrid:
    """A matrix of `shape` (out, in) cut into blocks."""

    shape: tuple[int, int]
    block: BlockShape

    @property
    def size(self) -> tuple[int, int]:
        """Blocks along (out, in)."""
        return math.ceil(self.shape[0] / self.block[0]), math.ceil(self.shape[1] / self.block[1])

    @property
    def total(self) -> int:
        return math.prod(self.size)

    def sums(self, matrix: Tensor) -> NDArray[np.float64]:
        """Sum of `matrix` (out, in) over every block, of `size`."""
        rows, cols = self.size
        pad_out = rows * self.block[0] - self.shape[0]
        pad_in = cols * self.block[1] - self.shape[1]
        padded = nn.functional.pad(matrix.double(), (0, pad_in, 0, pad_out))
        return padded.view(rows, self.block[0], cols, self.block[1]).sum(dim=(1, 3)).cpu().numpy()

    def pieces(self, piece: tuple[int, int]) -> NDArray[np.int64]:
        """Number of `piece` (out, in) tiles that each block covers, partial ones included."""
        counts = []
        for length, block, side in zip(self.shape, self.block, piece, strict=True):
            starts = np.arange(0, length, block)
            lengths = np.minimum(block, length - starts)
            counts.append(-(-lengths // side))
        return np.outer(counts[0], counts[1])

    def elements(self) -> NDArray[np.int64]:
        """Number of weights in each block."""
        return self.pieces((1, 1))

    def expand(self, blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A value per block, of `size`, as a value per weight, of `shape`."""
        rows = np.repeat(blocks, self.block[0], axis=0)[: self.shape[0]]
        return np.repeat(rows, self.block[1], axis=1)[:, : self.shape[1]]


@dataclass(frozen=True)
class BlockMask:
    """Which blocks of a layer stay: `keep` is bool of `grid.size`."""

    grid: BlockGrid
    keep: NDArray[np.bool_]

    @property
    def kept(self) -> int:
        return int(self.keep.sum())

    @property
    def density(self) -> float:
        return self.kept / self.grid.total

    def weights(self) -> NDArray[np.bool_]:
        """The mask per weight, bool (out, in)."""
        return self.grid.expand(self.keep)


@dataclass(frozen=True)
class PrunableLayer:
    """A linear layer or convolution and its grid of blocks."""

    name: str
    module: nn.Linear | nn.Conv2d
    grid: BlockGrid

    def matrix(self) -> Tensor:
        """The weight as a view (out, in), detached."""
        return self.module.weight.detach().flatten(1)


def prunable_layers(model: nn.Module, block: BlockShape) -> list[PrunableLayer]:
    """Every linear layer and convolution that `prune.models.reach` finds prunable, in order.

    In a timm VisionTransformer: the patch embedding, four layers a block, and the heads.

    Raises:
        UserError: the model has none.
    """
    layers = []
    for name, reason in why_dense(model).items():
        if reason is None:
            module = model.get_submodule(name)
            assert isinstance(module, nn.Linear | nn.Conv2d)
            out_features, *rest = module.weight.shape
            grid = BlockGrid((out_features, math.prod(rest)), block)
            layers.append(PrunableLayer(name, module, grid))
    if not layers:
        raise UserError(
            f"{type(model).__name__}: no linear layer to prune; expected a timm VisionTransformer"
        )
    return layers


@torch.no_grad()
def apply_masks_(model: nn.Module, masks: Mapping[str, BlockMask]) -> None:
    """Set the weights of every removed block to exactly 0."""
    for name, mask in masks.items():
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        dead = torch.from_numpy(~mask.weights()).view(weight.shape)
        weight.masked_fill_(dead.to(weight.device), 0.0)
