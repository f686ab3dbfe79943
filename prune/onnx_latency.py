"""How long ONNX Runtime takes for one image: float, int8, and int8 with blocks removed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from torch import Tensor

from hw.blocks import split_blocks
from hw.ir import Network
from hw.onnx.files import write_model
from hw.onnx.names import IMAGE
from hw.onnx.qdq.export import export_qdq
from prune.export import export_onnx
from prune.models import LoadedModel
from prune.quantize import quantize

_ERRORS_ONLY = 3


@dataclass(frozen=True)
class OnnxLatency:
    """A file's time for one image."""

    form: str
    density: float
    """Share of the encoder blocks' weight blocks that are kept."""
    megabytes: float
    ms: float
    """Least of all rounds: whatever else runs on the machine only adds to it."""


def kept_share(network: Network) -> float:
    """Kept weight blocks by all, in the encoder blocks."""
    kept = total = 0
    for op in network.linears():
        if op.block >= 0:
            weight = network.param(op, "weight")
            kept += len(split_blocks(weight, op.block_shape)[0])
            total += math.prod(
                -(-size // step) for size, step in zip(weight.shape, op.block_shape, strict=True)
            )
    return kept / max(total, 1)


def measure(
    loaded: LoadedModel,
    pruned: Network,
    calibration: Tensor,
    rounds: int,
    threads: int,
    folder: Path,
) -> Iterator[OnnxLatency]:
    """Time a model as float ONNX and as QDQ ONNX, and a pruned network of it, in turn.

    Args:
        loaded: the dense model.
        calibration: pixels in [0, 1] (N, C, H, W), to quantize the dense model with.
        rounds: how often each runs, once each to a round, after one for warming up.
        threads: of ONNX Runtime.
        folder: for the files.
    """
    dense = quantize(loaded, calibration)
    shares = {"float": 1.0, "int8": kept_share(dense), "int8, pruned": kept_share(pruned)}
    files = [folder / f"{number}.onnx" for number in range(len(shares))]
    export_onnx(loaded, files[0])
    write_model(export_qdq(dense), files[1])
    write_model(export_qdq(pruned), files[2])
    image = calibration[:1].numpy().astype(np.float32)
    seconds = _rounds([_session(file, threads) for file in files], image, rounds)
    for (form, share), file, times in zip(shares.items(), files, seconds, strict=True):
        yield OnnxLatency(form, share, file.stat().st_size / 1e6, 1000 * min(times))


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _rounds(
    sessions: list[onnxruntime.InferenceSession], image: NDArray[Any], rounds: int
) -> list[list[float]]:
    seconds: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds + 1):
        for session, times in zip(sessions, seconds, strict=True):
            started = time.perf_counter()
            session.run(None, {IMAGE: image})
            times.append(time.perf_counter() - started)
    return [times[1:] for times in seconds]
