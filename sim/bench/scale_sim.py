"""SCALE-Sim 3 (PyPI `scalesim`), timed on a list of products."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.config import ArrayConfig
from hw.errors import UserError
from sim.bench.products import Product

CONFIGURATION = """\
[general]
run_name = bench
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {cols}
IfmapSramSzkB = 1024
FilterSramSzkB = 1024
OfmapSramSzkB = 1024
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = ws
Bandwidth = {bandwidth}
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[sparsity]
SparsitySupport = false
SparseRep = ellpack_block
OptimizedMapping = false
BlockSize = 8
RandomNumberGeneratorSeed = 40
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""


@dataclass(frozen=True)
class ScaleSimRun:
    """What SCALE-Sim says of all products together, and how long it took."""

    seconds: float
    cycles: int


def run_scale_sim(products: Sequence[Product], config: ArrayConfig) -> ScaleSimRun:
    """Simulate dense products, weight-stationary, without traces.

    Raises:
        UserError: when the package is not installed.
    """
    if importlib.util.find_spec("scalesim") is None:
        raise UserError("scalesim: not installed; run `make bench`, which installs it")
    from scalesim.scale_sim import scalesim

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = CONFIGURATION.format(rows=config.rows, cols=config.cols, bandwidth=config.mem_bytes)
        (folder / "array.cfg").write_text(text)
        rows = [f"{p.name},{p.tokens},{p.features},{p.depth}," for p in products]
        (folder / "products.csv").write_text("\n".join(["Layer, M, N, K,", *rows, ""]))
        (folder / "layout.csv").write_text("Layer,\n")
        here = Path.cwd()
        started = time.perf_counter()
        try:
            os.chdir(folder)
            with contextlib.redirect_stdout(io.StringIO()):
                simulator = scalesim(
                    save_disk_space=True,
                    verbose=False,
                    config="array.cfg",
                    topology="products.csv",
                    layout="layout.csv",
                    input_type_gemm=True,
                )
                simulator.run_scale(top_path=str(folder / "out"))
        finally:
            os.chdir(here)
        seconds = time.perf_counter() - started
        report = folder / "out" / "bench" / "COMPUTE_REPORT.csv"
        lines = report.read_text().splitlines()[1:]
        return ScaleSimRun(seconds, sum(int(float(line.split(",")[2])) for line in lines))
