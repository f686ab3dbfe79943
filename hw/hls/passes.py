"""Optimizer passes in hls4ml's flow for Vitis: how tensors are partitioned, how layers follow."""

from __future__ import annotations

from typing import Any

from hls4ml.model.optimizer import ModelOptimizerPass, OptimizerPass

from hw.hls.layers import IntegerLayer


class PartitionIntegers(OptimizerPass):  # type: ignore[misc]
    """Cyclic partitions of tensors, as many as a layer reads or writes in a cycle.

    hls4ml partitions them completely, into registers, where no transformer fits.
    """

    name = "partition_integers"

    def match(self, node: Any) -> bool:
        stream = node.model.config.get_config_value("IOType") == "io_stream"
        users = (node, *node.get_output_nodes())
        return not stream and any(isinstance(user, IntegerLayer) for user in users)

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


class SequentialLayers(ModelOptimizerPass):  # type: ignore[misc]
    """Layers of `io_parallel` run one after another, unless a `PipelineStyle` says otherwise.

    hls4ml would choose a dataflow, where a tensor has one reader; the residual stream has two.
    """

    name = "sequential_layers"

    def __init__(self) -> None:
        pass

    def transform(self, model: Any) -> bool:
        config = model.config
        style = config.config["HLSConfig"].get("Model", {}).get("PipelineStyle", "auto")
        integers = any(isinstance(layer, IntegerLayer) for layer in model.get_layers())
        stream = config.get_config_value("IOType") == "io_stream"
        if integers and style == "auto" and not stream:
            config.pipeline_style = "inline off"
        return False
