"""A top level with four pins around a design of any number of ports, to place and route it.

Inputs come out of a shift register and outputs go into a signature register, so that every path of
the design starts and ends in registers and nothing can be optimized away.
"""

from __future__ import annotations

import re

from hw.synth.design import Design, design, elaborate

TOP = "harness"
INSTANCE = "u_core"
_PORT = re.compile(r"^  wire (?:width (\d+) )?.*?\b(input|output) (\d+) .*?\\(\S+)$", re.M)
_PINS = ("clk_i", "rst_ni")


def harnessed(wanted: Design) -> Design:
    """`wanted` inside the harness.

    Raises:
        UserError: when a source has an error.
    """
    body = elaborate(wanted)[wanted.root].body
    ports = [
        (name, int(width or 1), direction) for width, direction, _, name in _PORT.findall(body)
    ]
    text = _text(wanted, ports)
    return design({**wanted.sources, f"{TOP}.sv": text}, TOP)


def _text(wanted: Design, ports: list[tuple[str, int, str]]) -> str:
    connected, inputs, outputs = [], 0, 0
    for name, width, direction in ports:
        if name in _PINS:
            connected.append(f".{name}({name})")
        elif direction == "input":
            connected.append(f".{name}(stimulus_q[{inputs}+:{width}])")
            inputs += width
        else:
            connected.append(f".{name}(result[{outputs}+:{width}])")
            outputs += width
    parameters = ", ".join(f".{name}({value})" for name, value in wanted.parameters.items())
    return f"""
module {TOP} (input logic clk_i, input logic rst_ni, input logic bit_i, output logic bit_o);
  logic [{inputs}:0] stimulus_q;
  logic [{outputs}-1:0] result;
  logic [{outputs}:0] signature_q;
  always_ff @(posedge clk_i) begin
    stimulus_q  <= {{stimulus_q[{inputs}-1:0], bit_i}};
    signature_q <= {{signature_q[{outputs}-1:0], bit_i}} ^ {{result, 1'b0}};
  end
  assign bit_o = signature_q[{outputs}];
  {wanted.top} #({parameters}) {INSTANCE} (
    {("," + chr(10) + "    ").join(connected)}
  );
endmodule
"""
