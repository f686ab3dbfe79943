"""ONNX files, written whole or not at all, and read as untrusted input."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from hw.artifacts import replacing
from hw.errors import UserError

_MOST_BYTES = 2**31 - 1
"""Of one protobuf message."""


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Check a model, its shapes and types included, and write it.

    Raises:
        UserError: it is too large for one file, or the disk is full.
    """
    size = model.ByteSize()
    if size > _MOST_BYTES:
        raise UserError(
            f"{path}: {size / 2**30:.1f} GiB, expected less than 2 GiB, which one ONNX file holds; "
            "remove more blocks, or choose a smaller model"
        )
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def read_model(path: Path) -> onnx.ModelProto:
    """Read a model, with weights that lie in files of their own in its folder.

    Raises:
        UserError: there is no such file, or it is no valid ONNX model.
    """
    try:
        model = onnx.load(path, format="protobuf")
        onnx.checker.check_model(model, full_check=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file, expected an ONNX model") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (
        DecodeError,
        ValueError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        lines = str(error).strip().splitlines() or ["damaged"]
        raise UserError(
            f"{path}: cut short or not a valid ONNX model ({lines[0]}); export it again"
        ) from error
    return model
