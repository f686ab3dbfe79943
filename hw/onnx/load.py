"""ONNX in: a file of either form as a network of the IR."""

from __future__ import annotations

from pathlib import Path

from hw.ir import Network
from hw.onnx.consistency import check_network
from hw.onnx.domain import DOMAIN
from hw.onnx.files import read_model
from hw.onnx.integer import load_integer
from hw.onnx.qdq.load import load_qdq


def load_onnx(path: Path) -> Network:
    """The network of an ONNX file.

    Raises:
        UserError: it cannot be read, or nodes cannot be mapped; the details name each of them.
    """
    model = read_model(path)
    if any(entry.domain == DOMAIN for entry in model.opset_import):
        return load_integer(model, str(path))
    network = load_qdq(model, str(path))
    check_network(network, str(path))
    return network
