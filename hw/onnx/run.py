"""ONNX Runtime as an executor: logits of images, or every tensor of the IR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from hw.errors import UserError
from hw.onnx.files import read_model
from hw.onnx.names import IMAGE, LOGITS, tensor_name

IntArray = NDArray[np.integer[Any]]
_ERRORS_ONLY = 3
"""Of ONNX Runtime's levels of logging."""


def open_session(
    model: onnx.ModelProto, name: str, threads: int = 1
) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU with a model, quiet but for errors.

    Raises:
        UserError: ONNX Runtime cannot load the model called `name`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{name}: ONNX Runtime cannot load it ({reason})") from error


class OnnxExecutor:
    """A file or model in ONNX Runtime on the CPU.

    Args:
        model: a path, or a model in memory.
        every: make all values with a declared type outputs, for `tensors`; else only the logits.
        threads: of ONNX Runtime.

    Raises:
        UserError: the file cannot be read, or ONNX Runtime cannot load the model.
    """

    def __init__(self, model: Path | onnx.ModelProto, every: bool = False, threads: int = 1):
        name = str(model) if isinstance(model, Path) else model.graph.name
        loaded = read_model(model) if isinstance(model, Path) else model
        self._session = open_session(with_all_outputs(loaded) if every else loaded, name, threads)
        batch, *self.image_shape = self._session.get_inputs()[0].shape
        self._batched = not isinstance(batch, int)

    def logits(self, images: NDArray[np.floating[Any]], batch: int = 8) -> NDArray[np.int16]:
        """Logits (images, classes) of pixels in [0, 1] (images, C, H, W), some at once if it can.

        Pixels become float32.
        """
        step = batch if self._batched else 1
        parts = [
            self._session.run([LOGITS], {IMAGE: images[start : start + step].astype(np.float32)})[0]
            for start in range(0, len(images), step)
        ]
        return np.concatenate(parts)

    def tensors(self, image: NDArray[np.floating[Any]]) -> dict[str, IntArray]:
        """Every value of one image (C, H, W), by its name in the IR, without the axis of images.

        Needs `every`. Tensors are (tokens, features), the live ones behind a selection, which also
        gives the values NAME.package (1), NAME.scores and NAME.kept (tokens).
        """
        names = [value.name for value in self._session.get_outputs()]
        found = self._session.run(names, {IMAGE: image[None].astype(np.float32)})
        return {tensor_name(name): array[0] for name, array in zip(names, found, strict=True)}


def with_all_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model that also returns every value whose type is declared."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(v for v in copy.graph.value_info if v.name not in known)
    return copy
