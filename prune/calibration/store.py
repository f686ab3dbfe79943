"""Results of finished layers, kept in a folder so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor, nn

from hw.artifacts import write_tensors

Arrays = dict[str, np.ndarray]


def fingerprint(model: nn.Module, images: Tensor, settings: Iterable[object]) -> str:
    """A digest of everything that the results of a layer depend on."""
    digest = hashlib.sha256()
    for tensor in (*model.state_dict().values(), images):
        digest.update(repr((tensor.shape, tensor.dtype)).encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).view(np.uint8).data)
    digest.update(repr(tuple(settings)).encode())
    return digest.hexdigest()[:16]


@dataclass
class Store:
    """Named arrays; in memory only when there is no folder."""

    folder: Path | None = None
    _held: dict[str, Arrays] = field(default_factory=dict, repr=False)

    def part(self, *keys: str) -> Store:
        """The store of what depends on `keys` too."""
        return Store(None if self.folder is None else self.folder.joinpath(*keys))

    def get(self, name: str) -> Arrays | None:
        """What was put under `name`; None if nothing was, or if the file is damaged."""
        if self.folder is None:
            return self._held.get(name)
        try:
            return load_file(self._path(name))
        except (OSError, SafetensorError):
            return None

    def put(self, name: str, arrays: Arrays) -> None:
        """Keep `arrays` under `name`.

        Raises:
            UserError: the file cannot be written.
        """
        if self.folder is None:
            self._held[name] = arrays
        else:
            write_tensors(self._path(name), arrays)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.safetensors"
