"""How long ONNX Runtime takes for one image: float, int8, and int8 with blocks removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from hw.ir import Network
from hw.onnx.files import read_model, write_model
from hw.onnx.names import IMAGE
from hw.onnx.qdq.export import export_qdq
from hw.onnx.run import open_session
from prune.export import export_onnx
from prune.models import LoadedModel
from prune.quantize import quantize
from prune.rounds import timed
from sim.report.work import blocks


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
    found = [blocks(network, op) for op in network.linears() if op.block >= 0]
    return sum(each.kept for each in found) / max(sum(each.total for each in found), 1)


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
    runs = {
        form: partial(open_session(read_model(file), str(file), threads).run, None, {IMAGE: image})
        for form, file in zip(shares, files, strict=True)
    }
    seconds = timed(runs, rounds)
    for (form, share), file in zip(shares.items(), files, strict=True):
        yield OnnxLatency(form, share, file.stat().st_size / 1e6, 1000 * min(seconds[form]))
