"""C simulation: a network's HLS project, compiled with hls4ml's own arbitrary-precision types."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.hls.bridge import ENTRY
from hw.hls.build import build_library
from hw.hls.configuration import HLSConfig
from hw.hls.graph import model_graph
from hw.hls.names import live_name, output_name
from hw.ir import Network, Op, Scores, Softmax

STACK_BYTES = 1 << 20
"""Beside the tensors, which the top function has on its stack."""


class Simulation:
    """A compiled project. Use it as a context manager: its library and weights are temporary files.

    Args:
        network: a valid network.
        array: the machine whose parallelism is the default.
        outputs: names of the operations whose results to return; the last one's if none. All of a
            network's make the library larger, and say where two executors part.
        overrides: changes to hls4ml's configuration: see `hw.hls.configuration.hls_config`.
        io_type: `io_parallel` or `io_stream`.

    Raises:
        UserError: a wrong configuration, or no C++ compiler.
    """

    def __init__(
        self,
        network: Network,
        array: ArrayConfig,
        outputs: Sequence[str] = (),
        overrides: HLSConfig | None = None,
        io_type: str = "io_parallel",
    ) -> None:
        self.network = network
        self.outputs = tuple(outputs) or (network.ops[-1].name,)
        self._selected = network.selected_by()
        written = {op.output: op.name for op in network.ops if op.name in self.outputs}
        counted = {self._selected[name] for name in written} - {"", *self.outputs}
        self._folder = tempfile.TemporaryDirectory(prefix="blockvit-hls-")
        folder = Path(self._folder.name)
        outputs = [op.name for op in network.ops if op.name in counted.union(self.outputs)]
        graph = model_graph(network, array, str(folder), overrides, io_type, outputs)
        graph.write()
        # A library that is loaded again from the same file would keep the weights it has read.
        library = shutil.copy(build_library(graph), folder / "library.so")
        self._variables = [(v.name, v.size()) for v in graph.get_output_variables()]
        self._names = list(graph.outputs)
        self._stack = STACK_BYTES + 16 * sum(
            variable.size() for layer in graph.get_layers() for variable in layer.get_variables()
        )
        self._run = getattr(ctypes.CDLL(str(library)), ENTRY)
        self._weights = str(folder / "firmware" / "weights").encode()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def _call(self, patches: NDArray[np.int8]) -> dict[str, NDArray[np.int32]]:
        """One image, on a stack that is large enough."""
        source = np.ascontiguousarray(patches, np.int32)
        results = [np.zeros(size, np.int32) for _, size in self._variables]
        pointers = (ctypes.c_void_p * len(results))(*(result.ctypes.data for result in results))
        address = ctypes.c_void_p(source.ctypes.data)
        before = threading.stack_size(-(-self._stack // 4096) * 4096)
        try:
            thread = threading.Thread(target=self._run, args=(self._weights, address, pointers))
            thread.start()
        finally:
            threading.stack_size(before)
        thread.join()
        return dict(zip(self._names, results, strict=True))

    def run(self, patches: NDArray[np.int8]) -> dict[str, NDArray[Any]]:
        """The results asked for, by tensor name, int8 or int16 (tokens, features), of one image.

        Behind a token selection the live tokens alone, as the reference has them.

        Args:
            patches: int8 (patches, features), as from `sim.reference.quantize_image`.
        """
        found = self._call(patches)
        tensors: dict[str, NDArray[Any]] = {}
        for op in self.network.ops:
            if op.name in self.outputs:
                source = self._selected[op.output]
                live = int(found[live_name(source)][0]) if source else None
                tensors[op.output] = self._tensor(op, found[output_name(op.output)], live)
        return tensors

    def _tensor(self, op: Op, values: NDArray[np.int32], live: int | None) -> NDArray[Any]:
        """A result in its shape, without what is beyond the live tokens."""
        spec = self.network.tensors[op.output]
        result = values.astype(np.int8 if spec.bits == 8 else np.int16)
        result = result.reshape(spec.tokens, spec.features)[:live]
        if isinstance(op, Scores | Softmax):
            grouped = result.reshape(len(result), spec.groups, -1)[..., :live]
            return grouped.reshape(len(result), -1)
        return result

    def logits(self, patches: NDArray[np.int8]) -> NDArray[np.int16]:
        """Integer logits (images, classes) of patches (images, patches, features)."""
        output = self.network.output
        return np.stack([self.run(image)[output][0] for image in patches]).astype(np.int16)
