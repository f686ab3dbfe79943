"""ToMe (arXiv 2210.09461): in every block, the tokens most alike become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hw.errors import UserError
from prune.tokens.attention import KeyWeights
from prune.tokens.selection import Selection
from prune.tokens.stages import Architecture


@dataclass(frozen=True)
class ToMe:
    """How many tokens go in each block, by bipartite soft matching of the attention's keys.

    At most half of the tokens behind the prefix go in a block. The prefix is never merged.
    """

    merged: int | Sequence[int]
    """Of all blocks, or one each: the paper's r."""

    def __post_init__(self) -> None:
        counts = [self.merged] if isinstance(self.merged, int) else self.merged
        if any(count < 0 for count in counts):
            raise UserError(f"merged tokens {self.merged}: expected none or more in every block")

    def check(self, model: Architecture) -> None:
        """As `prune.tokens.baselines.Baseline`."""
        if not isinstance(self.merged, int) and len(self.merged) != model.depth:
            raise UserError(
                f"merged tokens {list(self.merged)}: expected one number, or one for each of "
                f"{model.depth} blocks"
            )

    def left(self, block: int, tokens: int) -> int:
        """As `prune.tokens.baselines.Baseline`."""
        wanted = self.merged if isinstance(self.merged, int) else self.merged[block]
        return tokens - min(wanted, tokens // 2)

    def start(self, x: Tensor, prefix: int) -> MergedTokens:
        """As `prune.tokens.baselines.Baseline`."""
        return MergedTokens(x, prefix, self.left)


class MergedTokens:
    """ToMe's tokens of a stage in one forward; also the rule of proportional attention."""

    def __init__(self, x: Tensor, prefix: int, left: Callable[[int, int], int]) -> None:
        self._prefix, self._left = prefix, left
        self._sizes: Tensor | None = None
        self._keys = x
        self.place = torch.arange(prefix, x.shape[1], device=x.device).expand(len(x), -1)

    @property
    def rule(self) -> MergedTokens:
        """As `prune.tokens.baselines.Reduction`."""
        return self

    @property
    def weights(self) -> Tensor | None:
        """As `prune.tokens.baselines.Reduction`: the patches in each token."""
        return self._sizes

    def attention(self, q: Tensor, k: Tensor, v: Tensor, dropout: float, scale: float) -> Tensor:
        """Every key counts as many times as it has patches; keys (N, T, d), the heads' mean, are
        noted."""
        self._keys = k.mean(dim=1)
        if self._sizes is None:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)
        return KeyWeights(self._sizes).attention(q, k, v, dropout, scale)

    def softmax(self, scores: Tensor) -> Tensor:
        """Refused: the keys are not seen there.

        Raises:
            UserError: always.
        """
        raise UserError("ToMe: needs the keys, which attention shows with fused_attn=True only")

    def reduce(self, number: int, x: Tensor) -> tuple[Tensor, Selection | None]:
        """As `prune.tokens.baselines.Reduction`."""
        tokens = x.shape[1] - self._prefix
        count = tokens - self._left(number, tokens)
        if not count:
            return x, None
        behind = matching(self._keys, count, self._prefix)
        sizes = x.new_ones(x.shape[:2]) if self._sizes is None else self._sizes.to(x.dtype)
        left = x.shape[1] - count
        sums = x.new_zeros(len(x), left, x.shape[-1])
        sums.scatter_add_(1, behind.unsqueeze(-1).expand_as(x), x * sizes.unsqueeze(-1))
        self._sizes = sizes.new_zeros(len(x), left).scatter_add(1, behind, sizes)
        self.place = behind.gather(1, self.place)
        shares = 1 / self._sizes.gather(1, self.place).float()
        alone = (shares == 1).to(shares.dtype)
        selection = Selection(shares, alone, shares.new_full((len(x),), left), self.place)
        return sums / self._sizes.unsqueeze(-1), selection


def matching(keys: Tensor, count: int, prefix: int) -> Tensor:
    """Where each token goes when `count` of them are merged into others: (N, T) numbers.

    Tokens are told off in turn into two sets; the edges from each of the first to the most similar
    of the second are drawn, and the `count` best edges are merged. Order behind: the prefix, the
    rest of the first set, the second.

    Args:
        keys: (N, T, d), compared by their cosine.
        prefix: tokens in front that are left alone.
    """
    keys = keys.float() / keys.float().norm(dim=-1, keepdim=True)
    number = torch.arange(keys.shape[1], device=keys.device)
    first, second = number[::2], number[1::2]
    similarity = keys[:, ::2] @ keys[:, 1::2].transpose(-2, -1)
    similarity[:, first < prefix] = -torch.inf
    similarity[:, :, second < prefix] = -torch.inf
    best, partner = similarity.max(dim=-1)
    order = best.argsort(dim=-1, descending=True)
    going, staying = order[:, :count], order[:, count:].sort(dim=-1).values
    images = len(keys)
    ahead, targets = number[:prefix].expand(images, -1), second[second >= prefix]
    staying = first[staying]
    staying = staying[staying >= prefix].view(images, -1)
    sequence = torch.cat([ahead, staying, targets.expand(images, -1)], dim=1)
    behind = torch.zeros_like(number).repeat(images, 1)
    behind.scatter_(
        1, sequence, torch.arange(sequence.shape[1], device=keys.device).expand_as(sequence)
    )
    partners = second[partner.gather(1, going)]
    return behind.scatter(1, first[going], behind.gather(1, partners))
