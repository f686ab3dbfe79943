"""What can run a network of the IR beside the reference, each behind the same interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.hls.simulate import Simulation
from hw.ir import Network
from hw.onnx.export import export_integer
from hw.onnx.run import OnnxExecutor
from hw.program.compiler import compile_network
from sim.images import InputImage
from sim.machine.run import Conditions
from sim.measure import measure_images

Tensors = Mapping[str, NDArray[np.integer[Any]]]
"""By name in the IR, int8 or int16 (tokens, features), the live tokens alone."""


class Executor(Protocol):
    """A way to run a network."""

    def logits(self, images: Sequence[InputImage]) -> NDArray[np.integer[Any]]:
        """(images, classes).

        Raises:
            Mismatch: the executor itself found a wrong value.
        """

    def tensors(self, image: InputImage) -> Tensors:
        """What the operations made of one image, those that it can show."""


class Mismatch(Exception):
    """An executor that compares as it runs found a difference; the text names it."""


class Onnx:
    """The integer ONNX file, in ONNX Runtime."""

    def __init__(self, network: Network) -> None:
        self._model = export_integer(network)
        self._session = OnnxExecutor(self._model)

    def logits(self, images: Sequence[InputImage]) -> NDArray[np.integer[Any]]:
        return self._session.logits(np.stack([_pixels(image) for image in images]))

    def tensors(self, image: InputImage) -> Tensors:
        return OnnxExecutor(self._model, every=True).tensors(_pixels(image))


class Hls:
    """The HLS project, compiled with g++."""

    def __init__(self, network: Network, array: ArrayConfig, simulation: Simulation) -> None:
        self._network, self._array, self._simulation = network, array, simulation

    def logits(self, images: Sequence[InputImage]) -> NDArray[np.integer[Any]]:
        return self._simulation.logits(np.stack([image.patches for image in images]))

    def tensors(self, image: InputImage) -> Tensors:
        names = [op.name for op in self._network.ops]
        with Simulation(self._network, self._array, outputs=names) as simulation:
            return simulation.run(image.patches)


class Rtl:
    """The program on the simulated machine, which compares every word that it writes."""

    def __init__(self, network: Network, array: ArrayConfig) -> None:
        self._network, self._program = network, compile_network(network, array)

    def logits(self, images: Sequence[InputImage]) -> NDArray[np.integer[Any]]:
        found = []
        for run in measure_images(self._network, self._program, images, Conditions()):
            problem = run.error or run.difference
            if problem is not None or run.outcome.result is None:
                raise Mismatch(f"{run.image.source}: {problem}")
            found.append(run.outcome.result[0])
        return np.stack(found)

    def tensors(self, image: InputImage) -> Tensors:
        return {}


@contextmanager
def _hls(network: Network, array: ArrayConfig) -> Iterator[Executor]:
    with Simulation(network, array) as simulation:
        yield Hls(network, array, simulation)


Opening = Callable[[Network, ArrayConfig], AbstractContextManager[Executor]]

EXECUTORS: dict[str, Opening] = {
    "onnx": lambda network, array: nullcontext(Onnx(network)),
    "hls": _hls,
    "rtl": lambda network, array: nullcontext(Rtl(network, array)),
}
"""By the names that the command line takes."""


def _pixels(image: InputImage) -> NDArray[np.float32]:
    assert image.pixels is not None, "images of `sim.images` have their pixels"
    return image.pixels
