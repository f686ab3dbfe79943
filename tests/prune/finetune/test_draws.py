"""Which images a step takes."""

from __future__ import annotations

from prune.finetune.draws import Batches


def test_every_epoch_draws_every_image_once_in_another_order() -> None:
    batches = list(Batches(12, 4, seed=0, start=0, stop=6))
    epochs = [[i for batch in batches[first : first + 3] for i, _ in batch] for first in (0, 3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]


def test_draws_from_the_middle_are_those_of_a_whole_run() -> None:
    whole = list(Batches(13, 4, seed=3, start=0, stop=9))
    assert list(Batches(13, 4, seed=3, start=5, stop=9)) == whole[5:]


def test_processes_share_a_batch() -> None:
    whole = list(Batches(12, 4, seed=1, start=0, stop=3))
    parts = [list(Batches(12, 4, 1, 0, 3, rank, 2)) for rank in (0, 1)]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert sorted(batch) == sorted(first + second)
