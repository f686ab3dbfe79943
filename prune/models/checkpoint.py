"""Reading a checkpoint into a model, with one clear line when the two do not fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hw.errors import UserError

State = dict[str, Tensor]
_WRAPPERS = ("model", "state_dict")
_DAMAGE = (
    SafetensorError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    pickle.UnpicklingError,
)


def read_checkpoint(path: Path) -> State:
    """Tensors by name of a `.safetensors` file or of a `.pth` file without code.

    Raises:
        UserError: the file is missing, cut short, or no checkpoint.
    """
    expected = "a .safetensors or .pth checkpoint of tensors"
    if not path.is_file():
        raise UserError(f"{path}: no such file, expected {expected}; correct the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}), expected {expected}"
        ) from error
    except _DAMAGE as error:
        raise UserError(
            f"{path}: cut short or not a checkpoint, expected {expected}; copy it again"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise UserError(f"{path}: holds no dictionary of tensors, expected {expected}")
    return content


def load_state(model: nn.Module, state: State, path: Path, name: str) -> None:
    """Copy every tensor of `state` into `model`, whatever its floating-point type.

    Raises:
        UserError: naming the first tensor that is missing, unknown, or of another shape.
    """
    wanted = model.state_dict()
    remedy = "choose the model the checkpoint was made for, as in MODEL=deit_s:img_size=96"
    for key, tensor in wanted.items():
        if key not in state:
            raise UserError(f"{path}: has no tensor {key}, which {name} needs; {remedy}")
        if state[key].shape != tensor.shape:
            raise UserError(
                f"{path}: {key} has the shape {tuple(state[key].shape)}, {name} expects "
                f"{tuple(tensor.shape)}; {remedy}"
            )
        if not torch.isfinite(state[key]).all():
            raise UserError(f"{path}: {key} holds values that are not finite; train it again")
    unknown = [key for key in state if key not in wanted]
    if unknown:
        raise UserError(f"{path}: {name} has no tensor {unknown[0]}; {remedy}")
    model.load_state_dict({key: tensor.float() for key, tensor in state.items()})
