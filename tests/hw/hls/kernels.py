"""C++ kernels, called from Python: compiled alone, with g++ and hls4ml's own ap_types."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hls4ml
import numpy as np
from numpy.typing import NDArray

import hw
from hw.cache import CACHE, locked

HEADERS = Path(hw.__file__).parent / "hls" / "nnet_utils"
TEMPLATES = Path(hls4ml.__file__).parent / "templates" / "vivado"

IntArray = NDArray[np.integer]


@dataclass(frozen=True)
class Port:
    """An argument of a kernel: `size` values of the type `element`."""

    element: str
    size: int
    output: bool = False
    packed: int = 0
    """Values in each word of a stream; 0: an array."""

    @property
    def word(self) -> str:
        return f"nnet::array<{self.element}, {self.packed}>"


@dataclass(frozen=True)
class Kernel:
    """A call of a function template of `nnet`, named as its header."""

    name: str
    types: tuple[str, ...]
    """Template arguments before the configuration."""
    config: Mapping[str, object]
    """Constants by name; a string is a type."""
    ports: tuple[Port, ...]

    def source(self, label: str) -> str:
        """A C function `label(int **)` that runs it on arrays of int; 1 if a stream is not read."""
        lines = [f"struct {label}_config : nnet::{self.name}_config {{"]
        for name, value in self.config.items():
            wide = "unsigned" if name != "epsilon" else "unsigned long long"
            lines.append(
                f"typedef {value} {name};"
                if isinstance(value, str)
                else f"static const {wide} {name} = {value};"
            )
        lines += ["};", f'extern "C" int {label}(int **values) {{']
        for number, port in enumerate(self.ports):
            lines.append(f"int *v{number} = values[{number}];")
            if not port.packed:
                lines.append(f"static {port.element} p{number}[{port.size}];")
                lines.append(f"for (int i = 0; i < {port.size}; i++) p{number}[i] = v{number}[i];")
                continue
            lines.append(f'hls::stream<{port.word}> p{number}("p{number}");')
            if not port.output:
                lines.append(
                    f"for (int i = 0; i < {port.size}; i += {port.packed}) {{ {port.word} w;"
                    f" for (int j = 0; j < {port.packed}; j++) w[j] = v{number}[i + j];"
                    f" p{number}.write(w); }}"
                )
        arguments = ", ".join(f"p{number}" for number in range(len(self.ports)))
        types = ", ".join((*self.types, f"{label}_config"))
        lines.append(f"nnet::{self.name}<{types}>({arguments});")
        for number, port in enumerate(self.ports):
            if port.output and port.packed:
                lines.append(
                    f"for (int i = 0; i < {port.size}; i += {port.packed}) {{"
                    f" {port.word} w = p{number}.read();"
                    f" for (int j = 0; j < {port.packed}; j++) v{number}[i + j] = w[j]; }}"
                )
            elif port.output:
                lines.append(f"for (int i = 0; i < {port.size}; i++) v{number}[i] = p{number}[i];")
        unread = [f"!p{number}.empty()" for number, port in enumerate(self.ports) if port.packed]
        return "\n".join([*lines, f"return {' || '.join(unread) or '0'};", "}", ""])


class Kernels:
    """Kernels by label, compiled together at the first call."""

    def __init__(self, kernels: Mapping[str, Kernel]) -> None:
        self.kernels = kernels

    @property
    def _source(self) -> str:
        headers = {f"nnet_{kernel.name}.h" for kernel in self.kernels.values()}
        if any(port.packed for kernel in self.kernels.values() for port in kernel.ports):
            headers |= {header.replace(".h", "_stream.h") for header in headers}
        includes = [f'#include "{header}"\n' for header in sorted(headers)]
        return "".join(
            [*includes, *(kernel.source(label) for label, kernel in self.kernels.items())]
        )

    def call(self, label: str, *inputs: IntArray, fill: int = 0) -> list[NDArray[np.int32]]:
        """The outputs of a kernel, flat, `fill` where it writes nothing.

        Args:
            inputs: the values of every port that is not an output, in order.
        """
        given = iter(inputs)
        arrays = []
        ports = self.kernels[label].ports
        for port in ports:
            values = np.full(port.size, fill) if port.output else np.ravel(next(given))
            assert values.size == port.size, f"{label}: {values.size} values, not {port.size}"
            arrays.append(np.ascontiguousarray(values, np.int32))
        pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        assert library(self._source)[label](pointers) == 0, f"{label}: a stream was not read out"
        return [array for array, port in zip(arrays, ports, strict=True) if port.output]


@cache
def library(source: str) -> ctypes.CDLL:
    """A C++ source that may include our headers, built once for all processes and runs."""
    headers = "".join(path.read_text() for path in sorted(HEADERS.glob("*.h")))
    digest = hashlib.sha256(f"{source}\0{headers}\0{hls4ml.__version__}".encode()).hexdigest()[:16]
    path = CACHE / f"kernel-{digest}.so"
    with locked(CACHE / f"{path.name}.lock"):
        if not path.exists():
            _compile(source, path)
    return ctypes.CDLL(str(path))


def _compile(source: str, path: Path) -> None:
    compiler = shutil.which("g++")
    assert compiler is not None
    temporary = path.with_suffix(".part")
    command = [compiler, "-x", "c++", "-std=c++11", "-O1", "-shared", "-fPIC", "-Wall", "-Werror"]
    command += ["-Wno-unknown-pragmas", "-Wno-unused-label", "-Wno-unused-variable"]
    # The numbers of ap_types start undefined.
    command += ["-Wno-uninitialized", "-Wno-maybe-uninitialized"]
    command += [f"-I{HEADERS}"]
    command += [f"-isystem{TEMPLATES / folder}" for folder in ("nnet_utils", "ap_types")]
    result = subprocess.run(
        [*command, "-o", str(temporary), "-"], input=source, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr[:6000]
    temporary.rename(path)
