"""What selectors are trained for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prune.tokens.losses import keep_loss, latency_loss, ranking_loss, token_loss
from prune.tokens.recording import Record
from prune.tokens.selection import Selection


def selection(keep: Tensor) -> Selection:
    tokens = keep.sum(dim=1) + 2
    return Selection(keep, keep, tokens, torch.zeros_like(keep, dtype=torch.int64))


def test_keep_rates_are_the_batchs() -> None:
    record: Record = {2: selection(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))}
    assert keep_loss(record, {2: 0.5}) == 0
    assert keep_loss(record, {2: 0.25}) == pytest.approx(0.0625)


def test_dropped_tokens_need_not_be_the_teachers() -> None:
    taught = torch.randn(2, 4, 8)
    tokens = torch.cat([taught, torch.randn(2, 1, 8)], dim=1)  # and a package token
    tokens[:, 2] += 5
    keep = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    assert token_loss(tokens, taught, keep) == 0
    assert token_loss(tokens, taught, torch.ones(2, 3)) > 1


def test_prefix_tokens_are_the_teachers() -> None:
    taught = torch.randn(1, 3, 8)
    tokens = taught.clone()
    tokens[:, 0] += 1
    assert token_loss(tokens, taught, torch.zeros(1, 2)) > 0


def linear(live: dict[int, Tensor]) -> Tensor:
    """A cycle a live token."""
    return torch.stack(list(live.values())).sum()


def test_latency_is_charged_above_the_budget_alone() -> None:
    record: Record = {1: selection(torch.ones(3, 8)), 2: selection(torch.ones(3, 4))}
    assert latency_loss(linear, record, 20.0, 0.5) == pytest.approx(0.3)
    assert latency_loss(linear, record, 20.0, 0.8) == 0


def test_ranking_wants_the_tokens_with_most_attention() -> None:
    attention = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    right = {1: torch.tensor([[0.1, 0.9, 0.1, 0.9]])}
    wrong = {1: torch.tensor([[0.9, 0.1, 0.9, 0.1]])}
    several = [torch.zeros(1, 4), attention]
    assert ranking_loss(right, several, {1: 0.5}) < 0.2 < ranking_loss(wrong, several, {1: 0.5})


def test_certain_scores_have_finite_gradients() -> None:
    scores = torch.tensor([[0.0, 1.0]], requires_grad=True)
    ranking_loss({0: scores}, [torch.tensor([[0.9, 0.1]])], {0: 0.5}).backward()
    assert scores.grad is not None and scores.grad.isfinite().all()
