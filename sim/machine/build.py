"""Building the simulated machine, once for each configuration."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cocotb_tools.runner import Verilator, get_runner

import hw
from hw.cache import CACHE, locked
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.parameters import core_parameters
from hw.program.isa import systemverilog_package
from sim.machine.toolchain import Toolchain, find_toolchain

RTL = Path(hw.__file__).parent / "rtl"
HERE = Path(__file__).parent
MINIMUM_DRAM = 1 << 25

PACKAGES = ("core_pkg.sv",)


@dataclass(frozen=True)
class Machine:
    """An executable simulation of one configuration."""

    folder: Path
    top: str
    waves: bool
    toolchain: Toolchain


@dataclass(frozen=True)
class Bench:
    """A top level to simulate: its own sources beside the RTL, and its parameters."""

    top: str
    sources: tuple[Path, ...]
    parameters: dict[str, int]
    modules: tuple[str, ...] | None = None
    """The RTL modules it needs; None: all."""


def network_bench(config: ArrayConfig, dram_bytes: int) -> Bench:
    """The bench that runs programs: DRAM is rounded up, so that most programs share a build."""
    dram = max(MINIMUM_DRAM, 1 << max(dram_bytes - 1, 1).bit_length())
    return Bench(
        "blockvit_sim",
        (HERE / "blockvit_sim.vlt", HERE / "dram.sv", HERE / "blockvit_sim.sv"),
        {**core_parameters(config), "DramBytes": dram},
    )


def rtl_sources(modules: tuple[str, ...] | None = None) -> list[Path]:
    """The synthesizable sources, packages first, of all modules or the named ones."""
    packages = [RTL / name for name in PACKAGES]
    if modules is not None:
        return packages + [RTL / f"{name}.sv" for name in modules]
    return packages + sorted(path for path in RTL.glob("*.sv") if path not in packages)


def _digest(bench: Bench, waves: bool, toolchain: Toolchain, arguments: list[str]) -> str:
    parts = [
        json.dumps(bench.parameters, sort_keys=True),
        bench.top,
        f"waves={waves}",
        toolchain.version,
        version("cocotb"),
        systemverilog_package(),
        *arguments,
        *(path.read_text() for path in (*rtl_sources(bench.modules), *bench.sources)),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def build_machine(bench: Bench, waves: bool = False) -> Machine:
    """Build a bench, or find it built.

    Raises:
        UserError: when the tools are missing or the build fails.
    """
    toolchain = find_toolchain()
    arguments = [
        "--no-public-flat-rw",
        "--timing",
        "-CFLAGS",
        "-std=c++20 -fcoroutines",
        "--unroll-count",
        "1",
        "-O3",
        "--timescale",
        "1ns/1ps",
        "-Wno-fatal",
    ]
    if waves:
        arguments += ["--trace-fst", *toolchain.wave_arguments]
    folder = CACHE / f"{bench.top}-{_digest(bench, waves, toolchain, arguments)}"
    machine = Machine(folder, bench.top, waves, toolchain)
    if folder.exists():
        return machine
    with locked(CACHE / f"{folder.name}.lock"):
        if folder.exists():
            return machine
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=CACHE))
        try:
            _compile(bench, waves, toolchain, arguments, temporary)
            temporary.chmod(0o755)
            temporary.rename(folder)
        except OSError as error:
            raise UserError(f"{folder}: cannot be written ({error.strerror})") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return machine


def _keep_runtime(folder: Path, runtime: Path) -> None:
    """Verilator's own library is the same for every bench: compile each part once."""
    runtime.mkdir(exist_ok=True)
    for compiled in folder.glob("verilated*.o"):
        if not (runtime / compiled.name).exists():
            with tempfile.NamedTemporaryFile(dir=runtime, delete=False) as file:
                file.write(compiled.read_bytes())
            Path(file.name).rename(runtime / compiled.name)


def _compile(
    bench: Bench, waves: bool, toolchain: Toolchain, arguments: list[str], folder: Path
) -> None:
    runtime = CACHE / f"runtime-{toolchain.version}-waves{int(waves)}"
    for compiled in runtime.glob("verilated*.o"):
        shutil.copyfile(compiled, folder / compiled.name)
        later = time.time() + 600  # than the generated files: make keeps it
        os.utime(folder / compiled.name, (later, later))
    if waves:
        for name in toolchain.empty_libraries:
            (folder / name).write_text("!<arch>\n")
    package = folder / "blockvit_pkg.sv"
    package.write_text(systemverilog_package())
    (folder / "parameters.json").write_text(json.dumps(bench.parameters, indent=1))
    log = CACHE / f"{bench.top}.log"
    saved = dict(os.environ)
    os.environ.update(toolchain.env)
    logging.getLogger("Verilator").setLevel(logging.ERROR)
    try:
        runner = get_runner("verilator")
        assert isinstance(runner, Verilator)
        runner.build(
            sources=[package, *rtl_sources(bench.modules), *bench.sources],
            hdl_toplevel=bench.top,
            parameters=bench.parameters,
            build_args=arguments,
            build_dir=folder,
            waves=waves,
            log_file=log,
        )
    except (SystemExit, RuntimeError) as error:
        raise UserError(f"{bench.top}: the build failed ({error}); see {log}") from error
    finally:
        os.environ.clear()
        os.environ.update(saved)
    _keep_runtime(folder, runtime)
    for path in folder.iterdir():
        if path.suffix in {".o", ".d", ".gch", ".a", ".cpp", ".h"}:
            path.unlink()
