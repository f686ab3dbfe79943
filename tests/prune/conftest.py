"""What the pruning tests share: a tiny ViT and images for it."""

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer


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
