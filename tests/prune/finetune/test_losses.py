"""The loss against its definition."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from prune.finetune.losses import distillation, loss
from prune.finetune.recipe import Recipe

LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
TAUGHT = torch.tensor([[2.0, -1.0, 0.0], [0.0, 3.0, 0.0]])
LABELS = torch.tensor([0, 2])


def test_soft_distillation_is_the_divergence_at_the_temperature() -> None:
    student, teacher = (LOGITS / 3).softmax(-1), (TAUGHT / 3).softmax(-1)
    expected = 9 * (teacher * (teacher / student).log()).sum(-1).mean()
    torch.testing.assert_close(distillation(Recipe(temperature=3.0), LOGITS, TAUGHT), expected)


def test_hard_distillation_takes_the_teachers_choice() -> None:
    expected = F.cross_entropy(LOGITS, torch.tensor([0, 1]))
    torch.testing.assert_close(distillation(Recipe(distill="hard"), LOGITS, TAUGHT), expected)


def test_weight_shares_the_loss_between_labels_and_teacher() -> None:
    recipe = Recipe(distill="hard", distill_weight=0.25, label_smoothing=0.0)
    task, taught = F.cross_entropy(LOGITS, LABELS), distillation(recipe, LOGITS, TAUGHT)
    torch.testing.assert_close(loss(recipe, LOGITS, LABELS, TAUGHT), 0.25 * taught + 0.75 * task)


def test_without_a_teacher_the_labels_count_in_full() -> None:
    recipe = Recipe(label_smoothing=0.0)
    torch.testing.assert_close(loss(recipe, LOGITS, LABELS, None), F.cross_entropy(LOGITS, LABELS))


def test_mixed_labels_are_not_smoothed_again() -> None:
    mixed = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(
        loss(Recipe(label_smoothing=0.5), LOGITS, mixed, None), F.cross_entropy(LOGITS, mixed)
    )
