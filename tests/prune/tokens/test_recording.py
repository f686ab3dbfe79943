"""What a record says."""

from itertools import pairwise

import torch

from prune.tokens import masked, recording
from tests.prune.tokens.small import images, selective


@torch.no_grad()
def test_kept_patches_only_become_fewer() -> None:
    model = selective()
    with recording(model) as record:
        model(images(model))
    assert list(record) == [1, 2, 3]
    kept = [selection.keep for selection in record.values()]
    assert all((later <= earlier).all() for earlier, later in pairwise(kept))
    assert kept[0].shape == (4, 36)


@torch.no_grad()
def test_dropped_patches_have_no_score_any_more() -> None:
    model = selective()
    with recording(model) as record:
        model(images(model))
    assert torch.equal(record[2].scores > 0, record[1].keep > 0)


@torch.no_grad()
def test_places_lead_to_the_tokens_behind() -> None:
    model = selective(positions=(1, 2))
    with recording(model) as record:
        model(images(model, 1))
    last = record[2]
    kept = int(last.keep.sum())
    assert last.place[last.keep > 0].tolist() == list(range(1, kept + 1))
    assert (last.place[last.keep == 0] == kept + 1).all()


def test_counts_of_tokens_are_as_differentiable_as_the_mask() -> None:
    model = selective().train()
    with recording(model) as record:
        model(images(model))
    for selection in record.values():
        (gradient,) = torch.autograd.grad(
            selection.tokens.sum(), selection.keep, retain_graph=True, allow_unused=True
        )
        assert selection.tokens.requires_grad
        assert gradient is None or gradient.isfinite().all()


@torch.no_grad()
def test_nothing_is_noted_outside() -> None:
    model = selective()
    with recording(model) as record:
        pass
    with masked(model):
        model(images(model))
    assert record == {}
