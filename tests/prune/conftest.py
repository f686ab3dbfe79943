"""What the pruning tests share: a tiny ViT and images for it, a pruned demo and a class folder."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from hw.config import ArrayConfig
from hw.ir import Network
from prune.blocks import BlockShape
from prune.demo import CLASSES, load_bundled
from prune.models import LoadedModel
from prune.pipeline import run
from prune.quantize import quantize
from prune.run_folder import write
from prune.settings import Settings, Source
from tests.prune.small import small_vit


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
    model = small_vit(image_size)
    loaded = LoadedModel(model, "small", "random", (0.5,) * 3, (0.5,) * 3, random=True)
    return quantize(loaded, torch.rand(1, 3, image_size, image_size), block)


@pytest.fixture
def small_network() -> Callable[[int, BlockShape], Network]:
    """Makes a quantized `small_vit` of an image size and block shape."""
    return _small_network


@pytest.fixture
def network() -> Network:
    """The one of 32 x 32 pixels, 64 patches, and 16 x 16 blocks."""
    return _small_network(32, (16, 16))


@pytest.fixture(scope="session")
def pruned_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pruning run: the demo at half of its cycles, calibrated on few images."""
    folder = tmp_path_factory.mktemp("pruned")
    settings = Settings(
        Source("demo", images=16), {"cycles": 0.5}, "magnitude", (16, 16), ArrayConfig()
    )
    write(run(settings), folder)
    return folder


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundled training images, a folder a class."""
    folder = tmp_path_factory.mktemp("data") / "fashion"
    images, labels = load_bundled("calibration")
    for index in range(128):
        path = folder / f"{labels[index]}" / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(path)
    assert len(list(folder.iterdir())) == len(CLASSES)
    return folder
