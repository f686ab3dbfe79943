"""hls4ml's configuration dictionary: what follows from the machine, and what a user overrides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from hls4ml.backends import get_backend

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.hls.layers import PRECISIONS, IntegerLayer
from hw.hls.lowering import LayerEntry
from hw.hls.names import layer_name
from hw.hls.operations import LAYERS
from hw.hls.parallel import reuse, widest
from hw.hls.registration import BACKEND

PROJECT = "blockvit"
IO_TYPES = ("io_parallel", "io_stream")
CLASSES: dict[str, type[IntegerLayer]] = {layer.__name__: layer for layer in LAYERS}
SECTIONS = ("Model", "LayerType", "LayerName")

HLSConfig = dict[str, Any]
"""`{"Model": {...}, "LayerType": {type: {...}}, "LayerName": {name: {...}}}`."""


def _layer_defaults(entry: LayerEntry, array: ArrayConfig) -> dict[str, Any]:
    """What hls4ml's dictionary has for a layer: as many multipliers or lanes as the machine."""
    layer = CLASSES[entry["class_name"]]
    units = array.pes if layer.multiplies else array.vector_lanes
    width = widest(layer.widths(entry), units)
    precision = {"result": entry["result_precision"]}
    precision |= {role: PRECISIONS[role] for role in layer.roles()}
    found = {"ReuseFactor": reuse(layer.work(entry), width), "Precision": precision}
    return found | ({"Strategy": "Resource"} if layer.strategies else {})


def _merge(name: str, known: dict[str, Any], changes: Mapping[str, Any], exact: bool) -> None:
    """Take the changes into a layer's dictionary.

    Args:
        exact: whether an entry that the layer does not have is an error.
    """
    for key, value in changes.items():
        if key == "PipelineStyle" and not exact:
            continue
        if key not in known:
            if exact:
                raise UserError(f"{name} has no {key}; it has {', '.join(known)}")
        elif key != "Precision":
            _check(name, key, value)
            known[key] = value
        else:
            types = {"result": value} if isinstance(value, str) else value
            for role, text in types.items():
                if role in known[key]:
                    known[key][role] = text
                elif exact:
                    raise UserError(
                        f"{name} has no Precision {role!r}; it has {', '.join(known[key])}"
                    )


def _check(name: str, key: str, value: Any) -> None:
    if key == "ReuseFactor" and (not isinstance(value, int) or value < 1):
        raise UserError(f"ReuseFactor {value!r} of {name}: expected a whole number from 1 on")
    if key == "Strategy" and str(value).lower() not in ("resource", "latency"):
        raise UserError(f"Strategy {value!r} of {name}: expected Resource or Latency")


def hls_config(
    entries: Iterable[LayerEntry], array: ArrayConfig, overrides: HLSConfig | None = None
) -> HLSConfig:
    """Every layer's entry, and the user's changes: of the model, of a type, of a layer.

    Args:
        overrides: as hls4ml's `HLSConfig`; a layer goes by its name in the IR or in hls4ml.
            Types of `Precision` are integers; a single one is that of the result.

    Raises:
        UserError: it names a section, a layer, a type or an entry that is not there.
    """
    changes = overrides or {}
    layers = {entry["name"]: (entry, _layer_defaults(entry, array)) for entry in entries}
    for section in set(changes) - set(SECTIONS):
        raise UserError(f"HLS configuration: section {section!r}, expected {', '.join(SECTIONS)}")
    for entry, known in layers.values():
        _merge(entry["name"], known, changes.get("Model", {}), exact=False)
    for type_name, values in changes.get("LayerType", {}).items():
        if type_name not in CLASSES:
            raise UserError(f"LayerType {type_name!r}: expected one of {', '.join(CLASSES)}")
        for entry, known in layers.values():
            if entry["class_name"] == type_name:
                _merge(entry["name"], known, values, exact=True)
    for name, values in changes.get("LayerName", {}).items():
        if layer_name(name) not in layers:
            raise UserError(f"LayerName {name!r}: expected one of {', '.join(layers)}")
        _merge(name, layers[layer_name(name)][1], values, exact=True)
    style = {
        key: value for key, value in changes.get("Model", {}).items() if key == "PipelineStyle"
    }
    model = {"Precision": "ap_int<8>", "ReuseFactor": 1, "Strategy": "Resource", **style}
    names = {name: deepcopy(known) for name, (_, known) in layers.items()}
    return {"Model": model, "LayerName": names}


def project_config(
    hls: HLSConfig, array: ArrayConfig, folder: str, io_type: str = "io_parallel"
) -> dict[str, Any]:
    """The whole dictionary: backend, clock of the machine, project, `hls`.

    Raises:
        UserError: the I/O type is unknown.
    """
    if io_type not in IO_TYPES:
        raise UserError(f"I/O type {io_type!r}: expected {' or '.join(IO_TYPES)}")
    period = round(1e3 / array.clock_mhz, 3)
    config = get_backend(BACKEND).create_initial_config(clock_period=period, io_type=io_type)
    named = {"OutputDir": folder, "ProjectName": PROJECT, "Backend": BACKEND, "HLSConfig": hls}
    return {**config, **named}
