"""Optimizer passes in hls4ml's flow for Vitis: how tensors are partitioned, how layers follow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hls4ml.model.optimizer import ModelOptimizerPass, OptimizerPass

from hw.hls.layers import IntegerLayer


class OutputTypes(OptimizerPass):
    """Types of all results of a layer are defined; hls4ml remembers those of the last one."""

    name = "output_types"

    def match(self, node: Any) -> bool:
        return isinstance(node, IntegerLayer) and len(node.outputs) > 1

    def transform(self, model: Any, node: Any) -> bool:
        for name in node.outputs:
            node.set_attr(f"{name}_type", node.get_output_variable(name).type)
        return False


class PartitionIntegers(OptimizerPass):
    """Cyclic partitions of tensors, as many as a layer reads or writes in a cycle.

    hls4ml partitions them completely, into registers, where no transformer fits.
    """

    name = "partition_integers"

    def match(self, node: Any) -> bool:
        users = (node, *node.get_output_nodes())
        return not _streams(node.model) and any(isinstance(user, IntegerLayer) for user in users)

    def transform(self, model: Any, node: Any) -> bool:
        for name in node.outputs:
            users = [node, *node.get_output_nodes(name)]
            ports = [
                user.ports(user.attributes, user.get_attr("width"))
                for user in users
                if isinstance(user, IntegerLayer)
            ]
            variable = node.get_output_variable(name)
            mode = "reshape" if name in model.inputs else "partition"
            variable.pragma = (mode, "cyclic", min(max(ports), variable.shape[-1]))
        return False


def _computes_integers(model: Any) -> bool:
    return any(isinstance(layer, IntegerLayer) for layer in model.get_layers())


def _streams(model: Any) -> bool:
    return bool(model.config.get_config_value("IOType") == "io_stream")


class SequentialLayers(ModelOptimizerPass):
    """Layers of `io_parallel` run one after another, unless a `PipelineStyle` says otherwise.

    hls4ml would choose a dataflow, where a tensor has one reader; the residual stream has two.
    """

    name = "sequential_layers"

    def __init__(self) -> None:
        pass

    def transform(self, model: Any) -> bool:
        config = model.config
        style = config.config["HLSConfig"].get("Model", {}).get("PipelineStyle", "auto")
        if _computes_integers(model) and style == "auto" and not _streams(model):
            config.pipeline_style = "inline off"
        return False


class MemoryPorts(ModelOptimizerPass):
    """Tensors enter and leave the top function of `io_parallel` through memory ports.

    hls4ml would write `ap_vld`, for ports that are single registers.
    """

    name = "memory_ports"

    def __init__(self) -> None:
        pass

    def transform(self, model: Any) -> bool:
        if _computes_integers(model) and not _streams(model):
            folder = Path(model.config.get_output_dir())
            path = folder / "firmware" / f"{model.config.get_project_name()}.cpp"
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(r"INTERFACE ap_vld(?= port)", "INTERFACE ap_memory", text))
        return False
