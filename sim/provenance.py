"""What a measurement is held to later: checksums of tensors, versions of tools."""

from __future__ import annotations

import platform
import zlib
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

_PACKAGES = ("cocotb", "numpy", "numba", "torch", "timm")


def checksum(values: NDArray[np.integer]) -> str:
    """CRC-32 of a tensor (tokens, features), row by row, little-endian; 8 hex digits."""
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return f"{zlib.crc32(data):08x}"


def tool_versions(verilator: str) -> dict[str, str]:
    """Versions of everything that a figure may depend on."""
    versions = {"python": platform.python_version(), "verilator": verilator}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
