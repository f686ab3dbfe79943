"""Our layers, templates, passes and C++ sources, registered with hls4ml's Vitis backend."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hls4ml.backends import get_backend
from hls4ml.model.layers import register_layer

from hw.hls.operations import LAYERS
from hw.hls.passes import MemoryPorts, OutputTypes, PartitionIntegers, SequentialLayers
from hw.hls.templates import IntegerConfigTemplate, IntegerFunctionTemplate

BACKEND = "Vitis"
SOURCES = Path(__file__).parent / "nnet_utils"


@cache
def register() -> None:
    """Extend hls4ml, once in a process."""
    for layer in LAYERS:
        register_layer(layer.__name__, layer)
    backend = get_backend(BACKEND)
    for template in (IntegerConfigTemplate, IntegerFunctionTemplate):
        backend.register_template(template)
    for optimizer in (OutputTypes, PartitionIntegers, SequentialLayers):
        backend.register_pass(optimizer.name, optimizer, flow="vivado:specific_types")
    backend.register_pass(MemoryPorts.name, MemoryPorts, flow=backend.get_writer_flow())
    for header in sorted(SOURCES.glob("*.h")):
        backend.register_source(header)
