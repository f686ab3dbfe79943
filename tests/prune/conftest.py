"""What the pruning tests share: a tiny ViT and images for it."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from hw.ir import Network
from prune.blocks import BlockShape
from prune.models import LoadedModel
from prune.quantize import quantize


@pytest.fixture
def tiny_vit() -> VisionTransformer:
    """16 patch tokens and a class token, 64 features, 2 blocks; random weights."""
    torch.manual_seed(0)
    return VisionTransformer(
        img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=2, num_classes=10
    ).eval()


@pytest.fixture
def tiny_images() -> torch.Tensor:
    """Normalized images (4, 3, 32, 32)."""
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@cache
def _small_network(image_size: int, block: BlockShape) -> Network:
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=image_size, patch_size=4, embed_dim=96, depth=1, num_heads=3, num_classes=10
    ).eval()
    loaded = LoadedModel(model, "small", "random", (0.5,) * 3, (0.5,) * 3, random=True)
    return quantize(loaded, torch.rand(1, 3, image_size, image_size), block)


@pytest.fixture
def small_network() -> Callable[[int, BlockShape], Network]:
    """Makes a quantized ViT of an image size and block shape: 96 features, a block of 3 heads."""
    return _small_network


@pytest.fixture
def network() -> Network:
    """The one of 32 x 32 pixels, 64 patches, and 16 x 16 blocks."""
    return _small_network(32, (16, 16))
