"""What hls4ml writes for a layer: the config struct of its kernel, and the call."""

from __future__ import annotations

from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate

from hw.hls.layers import ARRAY_ALIASES, LAYERS, IntegerLayer


class IntegerConfigTemplate(LayerConfigTemplate):  # type: ignore[misc]
    """`struct config<index>`, derived from the defaults in the kernel's header."""

    def __init__(self) -> None:
        super().__init__(LAYERS)

    def format(self, node: IntegerLayer) -> str:
        io_type = node.model.config.get_config_value("IOType")
        sizes = {name: node.get_attr(name) for name in (*node.sizes, node.width)}
        values = {**sizes, "io_type": f"nnet::{io_type}", "reuse_factor": node.get_attr("reuse_factor")}
        if node.strategies:
            values["strategy"] = f"nnet::{node.get_attr('strategy')}"
        lines = [f"static const unsigned {name} = {value};" for name, value in values.items()]
        types = {ARRAY_ALIASES.get(name, name): node.weights[name].type.name for name in node.arrays}
        if node.accumulates:
            types["accum"] = node.get_attr("accum_t").name
        lines += [f"typedef {type_name} {name}_t;" for name, type_name in types.items()]
        body = "".join(f"    {line}\n" for line in lines)
        return f"struct config{node.index} : nnet::{node.kernel}_config {{\n{body}}};\n"


class IntegerFunctionTemplate(FunctionCallTemplate):  # type: ignore[misc]
    """The call: inputs, results, constant arrays."""

    def __init__(self) -> None:
        super().__init__(LAYERS)

    def transform(self, model: object, node: IntegerLayer) -> bool:
        self.include_header = [f"nnet_utils/nnet_{node.kernel}.h"]
        return bool(super().transform(model, node))

    def format(self, node: IntegerLayer) -> str:
        inputs = [node.get_input_variable(name) for name in node.inputs]
        outputs = [node.get_output_variable(name) for name in node.outputs]
        states = node.get_attr("states", ())
        tensors = [var for name, var in zip(node.inputs, inputs, strict=True) if name not in states]
        types = [var.type.name for var in (*tensors, outputs[0])]
        arrays = [node.weights[name].name for name in node.arrays]
        arguments = [var.name for var in (*inputs, *outputs)] + arrays
        return f"nnet::{node.kernel}<{', '.join([*types, f'config{node.index}'])}>({', '.join(arguments)});"
