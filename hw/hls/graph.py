"""The IR as an hls4ml `ModelGraph`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hls4ml.model.graph import ModelGraph

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.hls.configuration import HLSConfig, hls_config, project_config
from hw.hls.lowering import layer_entries
from hw.hls.names import check_names
from hw.hls.registration import register
from hw.hls.streams import with_copies
from hw.ir import Network, TokenSelect


def model_graph(
    network: Network,
    array: ArrayConfig,
    folder: str = "",
    overrides: HLSConfig | None = None,
    io_type: str = "io_parallel",
    outputs: Sequence[str] = (),
) -> ModelGraph:
    """A graph of integer layers that computes what the network does, bit for bit.

    Args:
        network: a valid network.
        array: the machine whose parallelism and clock are the defaults.
        folder: where hls4ml writes the project.
        overrides: changes to the configuration: see `hls_config`. With other types of `Precision`
            the bits may differ.
        io_type: `io_parallel` or `io_stream`.
        outputs: names of operations whose results leave the top function; the last one's if none.

    Raises:
        UserError: a wrong configuration, names that HLS cannot tell apart, or results inside of
            a network with selectors and `io_stream`.
    """
    selects = any(isinstance(op, TokenSelect) for op in network.ops)
    if selects and io_type == "io_stream" and set(outputs) - {network.ops[-1].name}:
        raise UserError(
            f"{network.model}: with selectors and io_stream only the last result leaves the top "
            "function; use io_parallel for others"
        )
    check_names(network)
    register()
    entries = layer_entries(network)
    layers = [layer for group in entries.values() for layer in group]
    if io_type == "io_stream":
        layers = with_copies(layers)
    source = network.tensors[Network.INPUT]
    shape = [source.tokens, source.features]
    first: dict[str, Any] = {
        "class_name": "Input",
        "name": Network.INPUT,
        "input_shape": shape,
    }
    hls = hls_config(layers, array, overrides)
    hls["Model"]["Precision"] = f"ap_int<{source.bits}>"  # what is left: the input
    config = project_config(hls, array, folder, io_type)
    last = [entries[name][-1]["name"] for name in outputs or [network.ops[-1].name]]
    return ModelGraph.from_layer_list(config, [first, *layers], [Network.INPUT], last)
