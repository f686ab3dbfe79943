"""Float ONNX: a model, pruned or not, as a file that other runtimes read."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from hw.artifacts import replacing
from hw.errors import UserError
from prune.models import LoadedModel
from prune.tokens.access import same_shapes

OPSET = 20
"""The first that has GELU as one operation."""
_MOST_BYTES = 2**31 - 2**24
"""Of one protobuf message, with room for the graph beside the weights."""


def export_onnx(loaded: LoadedModel, path: Path) -> None:
    """Write the float model to `path`: `image` (batch, channels, height, width) to `logits`.

    The image is normalized as the model's `mean` and `std` say, which the file's metadata repeat.
    Token selectors are in it in their masked form: dropped tokens stay, without influence.
    Weights keep timm's names and values, so removed blocks stay exactly 0.

    Raises:
        UserError: the exporter does not know an operation of the model, or it is too large.
    """
    size = sum(tensor.nbytes for tensor in loaded.model.state_dict().values())
    if size > _MOST_BYTES:
        raise UserError(
            f"model {loaded.name!r}: {size / 2**30:.1f} GiB of weights, expected less than 2 GiB, "
            "which one ONNX file holds; choose a smaller model"
        )
    model = _exported(loaded)
    for key, value in _metadata(loaded).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _metadata(loaded: LoadedModel) -> dict[str, str]:
    return {
        "model": loaded.name,
        "weights": loaded.weights_source,
        "mean": ", ".join(map(str, loaded.mean)),
        "std": ", ".join(map(str, loaded.std)),
    }


def _exported(loaded: LoadedModel) -> onnx.ModelProto:
    channels, height, width = loaded.image_shape
    images = torch.zeros(2, channels, height, width)  # one would be taken for a constant
    with _plain_attention(loaded.model), same_shapes(loaded.model), _quiet():
        try:
            program = torch.onnx.export(
                loaded.model,
                (images,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                optimize=False,  # it renames the weights and folds some into new ones
                verbose=False,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"model {loaded.name!r}: cannot be exported to ONNX ({reason}); "
                "use the pruned checkpoint itself, or choose another model"
            ) from error
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # source lines and paths of the machine that exported
    return model


@contextmanager
def _plain_attention(model: nn.Module) -> Iterator[None]:
    """Attention as matrix products and softmax: not every form of the fused call is exported."""
    fused: list[Any] = [m for m in model.modules() if getattr(m, "fused_attn", False) is True]
    for module in fused:
        module.fused_attn = False
    try:
        yield
    finally:
        for module in fused:
            module.fused_attn = True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings and notes, which say nothing about the model."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
