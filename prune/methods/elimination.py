"""Block OBS: optimal brain surgeon over weight blocks, with one running inverse per block row.

Minimises the squared error of a layer's output, 1/2 tr(D H D') with D the change of its weights and
H the second moment of its inputs. All rows of a block share its mask, so they share one inverse:

    score of block b   1/2 tr(W_b ([H^-1]_bb)^-1 W_b')       what removing it adds to the error
    W      -= W_b ([H^-1]_bb)^-1 [H^-1]_b:                   the surviving weights take over
    H^-1   -= [H^-1]_:b ([H^-1]_bb)^-1 [H^-1]_b:             b leaves

The scores along an elimination add up to the exact error of the layer. Block rows do not see each
other; each is eliminated to the end, and the layer's order is merged from theirs.

Optimal brain surgeon: Hassibi and Stork, 1993; over groups of weights, Frantar and Alistarh,
Optimal Brain Compression, 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prune.allocation.equal_slope import lower_hull
from prune.blocks import BlockGrid

_CHUNK_BYTES = 32 << 20
"""Inverses that are worked on together: they should stay in the processor's cache."""
_COMPACT = 0.8
"""Share of the columns still in use at which the others are dropped from memory."""


@dataclass(frozen=True)
class Elimination:
    """Every block row eliminated to the end."""

    order: NDArray[np.int64]
    """(block rows, block columns): columns in the order in which they go."""
    scores: NDArray[np.float64]
    """Of the same size: what each removal adds to the layer's error."""


def eliminate(weight: Tensor, inverse: Tensor, grid: BlockGrid, row_weights: Tensor) -> Elimination:
    """Eliminate all blocks of every block row, cheapest first.

    Args:
        weight: (out, in + extra): the extra columns are inputs that never go, such as the constant
            1 that the bias multiplies.
        inverse: (in + extra, in + extra): inverse of H, in the precision to work in.
        grid: of the first `in` columns.
        row_weights: (out): weight of each row's error.
    """
    rows, columns = grid.size
    high, wide = grid.block
    padded = columns * wide
    extra = weight.shape[1] - grid.shape[1]
    size = padded + extra
    place = torch.cat([torch.arange(grid.shape[1]), padded + torch.arange(extra)])
    place = place.to(weight.device)
    whole = torch.eye(size, dtype=inverse.dtype, device=inverse.device)
    whole[place[:, None], place] = inverse
    weights = weight.new_zeros(rows * high, size, dtype=inverse.dtype)
    weights[: len(weight), place] = weight.to(inverse.dtype)
    weighting = inverse.new_zeros(rows * high)
    weighting[: len(weight)] = row_weights.to(inverse.dtype)

    workers = 1 if inverse.is_cuda else torch.get_num_threads()
    fitting = max(1, _CHUNK_BYTES // (size * size * inverse.element_size()))
    chunk = rows if inverse.is_cuda else min(fitting, -(-rows // workers))
    chunks = weights.view(rows, high, size).split(chunk), weighting.view(rows, high).split(chunk)

    def work(weight: Tensor, row_weights: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return _eliminate_rows(weight, whole, row_weights, columns, wide)

    with _threads_of_one(workers) as pool:
        parts = list(pool.map(work, *chunks))
    order, scores = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return Elimination(order, scores.astype(np.float64))


@contextmanager
def _threads_of_one(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each compute alone: steps are short, and waiting for each other costs more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def _eliminate_rows(
    weight: Tensor, inverse: Tensor, row_weights: Tensor, columns: int, wide: int
) -> tuple[Tensor, Tensor]:
    """Order and scores, (rows, columns), of block rows (rows, high, size) that share `inverse`."""
    count = len(weight)
    running = inverse.expand(count, -1, -1).clone()
    weight = weight.clone()
    left = torch.arange(columns, device=weight.device).expand(count, -1)  # ids of columns held
    alive = torch.ones_like(left, dtype=torch.bool)
    each = torch.arange(count, device=weight.device)
    within = torch.arange(wide, device=weight.device)
    order, scores = [], []
    for done in range(columns):
        held = left.shape[1]
        if columns - done <= _COMPACT * held:
            left, alive, weight, running = _compact(left, alive, weight, running, wide)
            held = left.shape[1]
        body = held * wide
        blocks = running[:, :body, :body].unflatten(1, (held, wide)).unflatten(3, (held, wide))
        diagonal = blocks.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)  # (rows, held, wide, wide)
        parts = weight[:, :, :body].unflatten(2, (held, wide)).permute(0, 2, 3, 1)
        factor = torch.linalg.cholesky_ex(diagonal)[0]
        solved = torch.linalg.solve_triangular(factor, parts, upper=False)
        score = 0.5 * (solved.square().sum(dim=2) * row_weights[:, None]).sum(dim=2)
        score = torch.where(alive, score, torch.inf)
        lowest, at = score.min(dim=1)
        order.append(left[each, at])
        scores.append(lowest)
        alive[each, at] = False

        index = at[:, None] * wide + within  # (rows, wide)
        strip = running[each[:, None], index]  # (rows, wide, size)
        gain = torch.cholesky_solve(strip, factor[each, at])
        weight.baddbmm_(parts[each, at].mT, gain, alpha=-1)
        # Nothing reads what is left of b's own rows and columns.
        running.baddbmm_(strip.mT, gain, alpha=-1)
    return torch.stack(order, dim=1), torch.stack(scores, dim=1)


def _compact(
    left: Tensor, alive: Tensor, weight: Tensor, running: Tensor, wide: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same without the columns that have gone."""
    count, held = left.shape
    kept = alive.nonzero()[:, 1].view(count, -1)  # (rows, still alive)
    extra = weight.shape[2] - held * wide
    index = (kept[:, :, None] * wide + torch.arange(wide, device=left.device)).flatten(1)
    tail = torch.arange(held * wide, held * wide + extra, device=left.device).expand(count, -1)
    index = torch.cat([index, tail], dim=1)
    weight = weight.gather(2, index[:, None, :].expand(-1, weight.shape[1], -1))
    running = running.gather(1, index[:, :, None].expand(-1, -1, running.shape[2]))
    running = running.gather(2, index[:, None, :].expand(-1, running.shape[1], -1))
    return left.gather(1, kept), alive.gather(1, kept), weight, running


def merge(
    elimination: Elimination, balance: float | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The layer's order (blocks), flat indices, and cumulative scores (blocks + 1).

    A block row gives up its blocks by the slope of the convex hull of its cumulative scores, so
    that a costly removal that opens the way to cheap ones is weighed with them.

    Args:
        balance: no block row keeps more than this multiple of the mean, rounded up; None: no limit.
    """
    rows, columns = elimination.order.shape
    slopes = np.empty_like(elimination.scores)
    steps = np.arange(columns + 1, dtype=np.float64)
    for index, scores in enumerate(elimination.scores):
        total = np.concatenate([[0.0], np.cumsum(scores)])
        hull = lower_hull(steps, total)
        slopes[index] = np.repeat(np.diff(total[hull]) / np.diff(hull), np.diff(hull))
    row = _row_by_row(slopes, np.inf if balance is None else balance)
    # Each row's own steps, in the order in which the rows are called.
    step = np.empty_like(row)
    step[np.argsort(row, kind="stable")] = np.tile(np.arange(columns), rows)
    flat = row * columns + elimination.order[row, step]
    return flat, np.concatenate([[0.0], np.cumsum(elimination.scores[row, step])])


def _row_by_row(slopes: NDArray[np.float64], balance: float) -> NDArray[np.int64]:
    """The row that gives up a block at each step: the cheapest, or the cheapest above the limit."""
    rows, columns = slopes.shape
    if not np.isfinite(balance):
        row, step = (index.ravel() for index in np.indices((rows, columns)))
        return row[np.lexsort((step, row, slopes.ravel()))]
    ahead = np.concatenate([slopes, np.full((rows, 1), np.inf)], axis=1)
    gone = np.zeros(rows, dtype=np.int64)
    order = np.empty(rows * columns, dtype=np.int64)
    for index in range(len(order)):
        limit = np.ceil(balance * (len(order) - index - 1) / rows)
        price = ahead[np.arange(rows), gone]
        over = columns - gone > limit
        order[index] = np.argmin(np.where(over, price, np.inf) if over.any() else price)
        gone[order[index]] += 1
    return order
