"""What hls4ml writes for a layer: the config struct of its kernel, and the call."""

from __future__ import annotations

from typing import Any

from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate

from hw.hls.layers import ROLES, IntegerLayer
from hw.hls.operations import LAYERS
from hw.hls.parallel import reuse


def _constant(name: str, value: Any) -> str:
    if isinstance(value, int) and value >= 1 << 31:
        return f"static const unsigned long long {name} = {value}ULL;"
    return f"static const unsigned {name} = {value};"


class IntegerConfigTemplate(LayerConfigTemplate):
    """`struct config<index>`, derived from the defaults in the kernel's header."""

    def __init__(self) -> None:
        super().__init__(LAYERS)
        self.name = "blockvit_config_template"

    def format(self, node: IntegerLayer) -> str:
        io_type = node.model.config.get_config_value("IOType")
        values = {name: node.get_attr(name) for name in node.sizes}
        sizes, width = node.attributes, node.get_attr("width")
        values |= node.shape(sizes, width)
        values |= {"io_type": f"nnet::{io_type}", "reuse_factor": reuse(node.work(sizes), width)}
        if node.strategies:
            values["strategy"] = f"nnet::{node.get_attr('strategy')}"
        types = {ROLES.get(name, name): node.weights[name].type.name for name in node.arrays}
        if node.accumulates:
            types["accum"] = node.get_attr("accum_t").name
        lines = [_constant(name, value) for name, value in values.items()]
        lines += [f"typedef {type_name} {role}_t;" for role, type_name in types.items()]
        body = "".join(f"    {line}\n" for line in lines)
        return f"struct config{node.index} : nnet::{node.kernel}_config {{\n{body}}};\n"


class IntegerFunctionTemplate(FunctionCallTemplate):
    """The call: inputs, results, constant arrays."""

    def __init__(self) -> None:
        super().__init__(LAYERS)
        self.name = "blockvit_function_template"

    def transform(self, model: Any, node: IntegerLayer) -> bool:
        stream = node.model.config.get_config_value("IOType") == "io_stream"
        self.include_header = [f"nnet_utils/nnet_{node.kernel}{'_stream' * stream}.h"]
        return bool(super().transform(model, node))

    def format(self, node: IntegerLayer) -> str:
        inputs = [node.get_input_variable(name) for name in node.inputs]
        outputs = [node.get_output_variable(name) for name in node.outputs]
        tensors = (*inputs[: node.get_attr("tensors")], outputs[0])
        types = [*(variable.type.name for variable in tensors), f"config{node.index}"]
        arrays = (node.weights[name] for name in node.arrays)
        arguments = [variable.name for variable in (*inputs, *outputs, *arrays)]
        return f"nnet::{node.kernel}<{', '.join(types)}>({', '.join(arguments)});"
