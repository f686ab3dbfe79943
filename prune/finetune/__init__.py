"""Finetuning of a pruned model: its masks stay, the dense model teaches it.

recipe      the settings, timm's optimizer and schedule
images      training images, timm's augmentation, reproducible draws
losses      labels and distillation
masks       removed blocks stay zero
qat         rounding as the integer network rounds, while training
loop        steps on one or many devices, by accelerate
checkpoint  states to resume from
pruning_run what a training starts from
running     progress, states and log of a training
run         from a pruning run's folder to another
"""

from prune.finetune.recipe import Recipe
from prune.finetune.run import finetune
from prune.finetune.running import Running

__all__ = ["Recipe", "Running", "finetune"]
