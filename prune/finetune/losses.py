"""The loss: labels, and what the dense model says of the same images.

Soft distillation is Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 2; hard distillation
is Touvron et al. 2021 (DeiT, arXiv:2012.12877), equation 3.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from prune.finetune.recipe import Recipe


def loss(recipe: Recipe, logits: Tensor, target: Tensor, taught: Tensor | None) -> Tensor:
    """The mean loss of a batch.

    Args:
        logits: of the student (N, classes).
        target: labels (N), or probabilities (N, classes), which have their smoothing already.
        taught: logits of the teacher (N, classes); None: no distillation.
    """
    logits = logits.float()
    smoothing = 0.0 if target.is_floating_point() else recipe.label_smoothing
    task = F.cross_entropy(logits, target, label_smoothing=smoothing)
    if taught is None:
        return task
    return (
        recipe.distill_weight * distillation(recipe, logits, taught)
        + (1 - recipe.distill_weight) * task
    )


def distillation(recipe: Recipe, logits: Tensor, taught: Tensor) -> Tensor:
    """Distance (scalar) of the student's logits from the teacher's, both (N, classes).

    Soft: the divergence KL(teacher || student) at the temperature, times its square, which keeps
    the size of the gradients. Hard: the cross entropy with the teacher's top-1.
    """
    taught = taught.float()
    if recipe.distill == "hard":
        return F.cross_entropy(logits, taught.argmax(-1))
    warmth = recipe.temperature
    divergence = F.kl_div(
        F.log_softmax(logits / warmth, -1),
        F.log_softmax(taught / warmth, -1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * warmth**2
