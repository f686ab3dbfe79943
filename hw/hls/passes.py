"""Optimizer passes of hls4ml's flow for Vitis: how tensors are partitioned, how layers follow."""

from __future__ import annotations

from typing import Any

from hls4ml.model.optimizer import ModelOptimizerPass, OptimizerPass

from hw.hls.layers import IntegerLayer


class PartitionIntegers(OptimizerPass):  # type: ignore[misc]
    """Cyclic partitions, as many as a neighbouring layer reads or writes at once.

    hls4ml partitions completely, into registers, which no transformer fits.
    """

    name = "partition_integers"

    def match(self, node: Any) -> bool:
        stream = node.model.config.get_config_value("IOType") == "io_stream"
        return not stream and any(
            isinstance(layer, IntegerLayer) for layer in (node, *node.get_output_nodes())
        )

    def transform(self, model: Any, node: Any) -> bool:
        for name in node.outputs:
            users = [node, *node.get_output_nodes(name)]
            widths = [user.ports() for user in users if isinstance(user, IntegerLayer)]
            mode = "reshape" if name in model.inputs else "partition"
            variable = node.get_output_variable(name)
            factor = min(max(widths), variable.shape[-1])
            variable.pragma = (mode, "cyclic", factor)
        return False


class SequentialLayers(ModelOptimizerPass):  # type: ignore[misc]
    """Layers of `io_parallel` run one after another, unless a `PipelineStyle` says otherwise.

    hls4ml would choose a dataflow, in which no tensor may have two readers; the residual stream has.
    """

    name = "sequential_layers"

    def __init__(self) -> None:
        pass

    def transform(self, model: Any) -> bool:
        config = model.config
        style = config.config["HLSConfig"].get("Model", {}).get("PipelineStyle", "auto")
        if style == "auto" and config.get_config_value("IOType") == "io_parallel":
            config.pipeline_style = "inline off"
        return False
