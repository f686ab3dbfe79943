"""A few labelled images in memory, as timm evaluates the model: to search and to set levels on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hw.errors import UserError
from prune.data import Fit
from prune.finetune.images import FittedImages, LabelledImages
from prune.models import LoadedModel
from prune.quantize import normalize


@dataclass(frozen=True)
class Samples:
    """Normalized images (N, C, H, W) and labels (N)."""

    images: Tensor
    labels: Tensor

    @staticmethod
    def of(loaded: LoadedModel, images: LabelledImages, count: int, seed: int) -> Samples:
        """`count` of `images`, a seeded choice; all of them if they are fewer.

        Raises:
            UserError: an image is damaged.
        """
        order = np.random.default_rng(seed).permutation(len(images))[:count]
        fitted = FittedImages(images, Fit.of(loaded))
        pixels, labels = [], []
        for index in order:
            item = fitted[int(index)]
            if isinstance(item, UserError):
                raise item
            pixels.append(item[0])
            labels.append(item[1])
        normalized = normalize(loaded, torch.stack(pixels).float() / 255)
        return Samples(normalized, torch.tensor(labels))

    def to(self, device: torch.device) -> Samples:
        return Samples(self.images.to(device), self.labels.to(device))
