"""Fashion-MNIST from its IDX files (Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747)."""

import gzip
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

Split = Literal["train", "test"]

_PREFIX = {"train": "train", "test": "t10k"}
_COUNT = {"train": 60000, "test": 10000}
_UNSIGNED_BYTE = 0x08
_REMEDY = (
    "install the Debian package dataset-fashion-mnist and pass "
    "--data /usr/share/datasets/fashion-mnist, or pass --download to prune.demo.train"
)


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The uint8 array of one IDX file, plain or gzip (name ending in .gz).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an IDX file of bytes of this shape, truncated, or too long.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {_REMEDY}")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path}: expected a complete gzip file, found a damaged one ({error}); "
            "copy it again from its source"
        ) from error

    magic = bytes((0, 0, _UNSIGNED_BYTE, len(shape)))
    header = magic + b"".join(size.to_bytes(4, "big") for size in shape)
    expected = len(header) + int(np.prod(shape))
    if not raw.startswith(magic[: len(raw)]):
        raise ValueError(
            f"{path}: expected IDX magic {magic.hex()}, found {raw[:4].hex()}; "
            "check that this is a Fashion-MNIST file"
        )
    if len(raw) >= len(header) and not raw.startswith(header):
        found = tuple(np.frombuffer(raw[4 : len(header)], ">u4").tolist())
        raise ValueError(
            f"{path}: expected sizes {shape}, found {found}; "
            "check that this is the right Fashion-MNIST file"
        )
    if len(raw) != expected:
        problem = "truncated" if len(raw) < expected else "too long"
        raise ValueError(
            f"{path}: {problem}, expected {expected} bytes of IDX data, found {len(raw)}; "
            "copy it again from its source"
        )
    return np.frombuffer(raw, np.uint8, offset=len(header)).reshape(shape).copy()


def load_split(folder: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) uint8 and labels (N,) int64; N is 60000 for train, 10000 for test.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged; the message is one line.
    """
    count = _COUNT[split]
    images = read_idx(_find(folder, f"{_PREFIX[split]}-images-idx3-ubyte"), (count, 28, 28))
    labels = read_idx(_find(folder, f"{_PREFIX[split]}-labels-idx1-ubyte"), (count,))
    return images, labels.astype(np.int64)


def download(folder: Path) -> Path:
    """Fetch the data set with torchvision into `folder`; returns the folder of its IDX files.

    Raises:
        ValueError: the folder cannot be written or the download failed.
    """
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{folder}: could not download Fashion-MNIST into it ({reason}); "
            "check the folder and the network, or pass --data with the IDX files"
        ) from error
    return folder / "FashionMNIST" / "raw"


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"{folder / name}[.gz]: no such file; {_REMEDY}")
