"""Writing and reading the demo's checkpoints, whole or not at all."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.artifacts import replacing
from prune.demo import build_demo


def save_weights(model: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write the model's weights and `metadata` to the safetensors file `path`.

    Raises:
        UserError: the file cannot be written.
    """
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replacing(path) as temporary:
        save_file(weights, temporary, metadata)


def load_demo(path: Path) -> VisionTransformer:
    """The demo with the weights of `path`, in evaluation mode.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a safetensors file, or not of this architecture.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such checkpoint; make one with python -m prune.demo.train"
        )
    model = build_demo()
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path}: expected a safetensors checkpoint of the demo ViT ({reason}); "
            "make one with python -m prune.demo.train"
        ) from error
    return model.eval()
