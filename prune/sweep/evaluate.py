"""Top-1 of a float model over decoded images, as fast as the processor allows."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from prune.device import best_device, multiplies_bf16
from prune.models import LoadedModel
from prune.quantize import normalize
from prune.sweep.images import TestImages

_BATCH = 64


@dataclass(frozen=True)
class Engine:
    """Where and in which precision the float model runs."""

    device: str
    """`cuda` or `cpu`."""
    precision: str
    """`bf16` (autocast: matrix products alone) or `fp32`."""

    @staticmethod
    def choose(bf16: bool | None = None) -> Engine:
        """A GPU when there is one; bfloat16 as asked, else where the processor computes in it."""
        device = best_device()
        wanted = multiplies_bf16(device) if bf16 is None else bf16
        return Engine(device.type, "bf16" if wanted else "fp32")

    @torch.inference_mode()
    def top1(self, loaded: LoadedModel, images: TestImages) -> float:
        """Fraction of the images that `loaded` labels correctly; the model stays on `device`."""
        labels = torch.from_numpy(images.labels)
        hits = 0
        model = loaded.model.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            for pixels, wanted in zip(
                images.pixels.split(_BATCH), labels.split(_BATCH), strict=True
            ):
                logits = model(normalize(loaded, pixels.float() / 255).to(self.device))
                hits += int((logits.argmax(-1).cpu() == wanted).sum())
        return hits / len(labels)
