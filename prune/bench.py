"""Time and memory of pruning: each method in a process of its own, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hw.errors import UserError


@dataclass(frozen=True)
class Run:
    """One run of `python -m prune run`."""

    method: str
    seconds: float
    """From the start of the process to its end, loading and quantization included."""
    peak_gib: float
    """Largest resident memory of the process."""


def measure(
    model: str, method: str, images: int, cycles: float, data: Path | None, options: Sequence[str]
) -> Run:
    """Prune `model` to a share of its cycles.

    Args:
        data: folder of calibration images; None: seeded noise, which costs as much.
        options: further ones of the command.

    Raises:
        UserError: when the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "prune", "run", model, "--method", method]
        command += ["--images", str(images), "--cycles", str(cycles), "--out", str(out)]
        command += ["--data", str(data or noise(Path(folder) / "images", images)), *options]
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{' '.join(command)}: failed: {complaint.strip()}")
    return Run(method, seconds, usage.ru_maxrss / (1 << 20))


def noise(folder: Path, count: int, size: int = 224, seed: int = 0) -> Path:
    """A folder of `count` images of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:05d}.bmp")
    return folder
