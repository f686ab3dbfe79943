"""The bundled demo model: a small ViT trained on Fashion-MNIST, with its images and weights.

Everything here works offline from the files in this folder; PROVENANCE.md says how they were made.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file as load_tensors
from timm.models.vision_transformer import VisionTransformer

_FOLDER = Path(__file__).resolve().parent
WEIGHTS_PATH = _FOLDER / "vit_fashion.safetensors"
IMAGES_PATH = _FOLDER / "images.safetensors"
SELECTORS_PATH = _FOLDER / "selectors.safetensors"

# Mean and standard deviation of the 60000 training images, pixels scaled to [0, 1].
MEAN = (0.2860,)
STD = (0.3530,)
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

BundledSplit = Literal["calibration", "test"]


def build_demo() -> VisionTransformer:
    """Architecture of the demo with fresh weights: (B, 1, 28, 28) images to (B, 10) logits.

    49 patch tokens and a class token, 96 features, 4 blocks of 3 heads.
    """
    return VisionTransformer(
        img_size=28,
        patch_size=4,
        in_chans=1,
        embed_dim=96,
        depth=4,
        num_heads=3,
        num_classes=len(CLASSES),
    )


def normalize(images: np.ndarray) -> torch.Tensor:
    """uint8 images (N, 28, 28) as the network's float32 input (N, 1, 28, 28)."""
    pixels = torch.from_numpy(images).unsqueeze(1).float().div_(255)
    return pixels.sub_(MEAN[0]).div_(STD[0])


def load_bundled(split: BundledSplit) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) uint8 and labels (N,) int64 of a bundled split.

    "calibration" holds 256 training images, "test" 1000 test images, 100 of each class.
    The demo scores 2.8 points higher on these 1000 than on the full test set; see PROVENANCE.md.

    Raises:
        ValueError: the split is neither of the two.
    """
    if split not in ("calibration", "test"):
        raise ValueError(f"split '{split}': expected 'calibration' or 'test'")
    arrays = load_arrays(IMAGES_PATH)
    return arrays[f"{split}.images"], arrays[f"{split}.labels"].astype(np.int64)


def load_bundled_weights() -> dict[str, torch.Tensor]:
    """State dict of the trained demo, for `build_demo().load_state_dict`."""
    return load_tensors(WEIGHTS_PATH)
