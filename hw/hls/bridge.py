"""The C++ between a project's top function and Python: whole numbers in, whole numbers out."""

from __future__ import annotations

from typing import Any

WEIGHTS = "blockvit_weights"
"""The folder that the weights are read from, a variable of the library."""
ENTRY = "blockvit_run"
DECLARATION = f"#include <string>\nextern std::string {WEIGHTS};\n"


def _argument(variable: Any) -> str:
    return f"{variable.name}_ap"


def bridge_source(graph: Any) -> str:
    """C++ of `void blockvit_run(const char *weights, int *inputs, int **outputs)`.

    It includes the project's source, so that the headers of both are read once.
    """
    (source,), outputs = graph.get_input_variables(), graph.get_output_variables()
    variables = [source, *outputs]
    declared = "".join(f"    static {v.definition_cpp(name_suffix='_ap')};\n" for v in variables)
    taken = f"<int, {source.type.name}, {source.size()}>(inputs, {_argument(source)})"
    converted = "".join(
        f"    nnet::convert_data<{v.type.name}, int, {v.size()}>({_argument(v)}, outputs[{i}]);\n"
        for i, v in enumerate(outputs)
    )
    project = graph.config.get_project_name()
    return (
        f'#include "firmware/{project}.cpp"\n'
        '#include "firmware/nnet_utils/nnet_helpers.h"\n\n'
        "namespace nnet {\n"
        "bool trace_enabled = false;\n"
        "std::map<std::string, void *> *trace_outputs = NULL;\n"
        "size_t trace_type_size = sizeof(double);\n"
        "} // namespace nnet\n\n"
        f"std::string {WEIGHTS};\n\n"
        f'extern "C" void {ENTRY}(const char *weights, int *inputs, int **outputs) {{\n'
        f"    {WEIGHTS} = weights;\n"
        f"{declared}"
        f"    nnet::convert_data{taken};\n"
        f"    {project}({', '.join(_argument(v) for v in variables)});\n"
        f"{converted}"
        "}\n"
    )
