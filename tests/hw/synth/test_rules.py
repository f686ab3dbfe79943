"""What the machine's netlist may not contain is found in small designs that contain it."""

from __future__ import annotations

import pytest

from hw.config import ArrayConfig
from hw.synth.design import design
from hw.synth.whole import Synthesis, synthesize

FAULTY = """
module top (
  input logic clk_i, input logic open_i, input logic [7:0] data_i, input logic [10:0] addr_i,
  input logic [3:0] small_i, output logic [7:0] held_o, output logic [7:0] product_o,
  output logic [7:0] quotient_o, output logic [31:0] word_o, output logic [31:0] early_o
);
  hold u_hold (.open_i, .data_i, .held_o);
  little_product u_little (.clk_i, .a_i(small_i), .b_i(data_i[3:0]), .product_o);
  division u_division (.a_i(data_i), .b_i(small_i), .quotient_o);
  late_memory u_late (.clk_i, .addr_i, .data_i({4{data_i}}), .write_i(open_i), .word_o);
  accumulator u_early (.clk_i, .addr_i, .data_i({4{data_i}}), .write_i(open_i), .word_o(early_o));
endmodule

module hold (input logic open_i, input logic [7:0] data_i, output logic [7:0] held_o);
  always_latch if (open_i) held_o = data_i;
endmodule

module little_product (
  input logic clk_i, input logic [3:0] a_i, input logic [3:0] b_i, output logic [7:0] product_o
);
  always_ff @(posedge clk_i) product_o <= a_i * b_i;
endmodule

module division (input logic [7:0] a_i, input logic [3:0] b_i, output logic [7:0] quotient_o);
  assign quotient_o = a_i / b_i;
endmodule

module late_memory (
  input logic clk_i, input logic [10:0] addr_i, input logic [31:0] data_i, input logic write_i,
  output logic [31:0] word_o
);
  logic [31:0] mem[2048];
  always_ff @(posedge clk_i) if (write_i) mem[~addr_i] <= data_i;
  always_ff @(posedge clk_i) word_o <= mem[addr_i];
endmodule

module accumulator (
  input logic clk_i, input logic [10:0] addr_i, input logic [31:0] data_i, input logic write_i,
  output logic [31:0] word_o
);
  logic [31:0] mem[64];
  always_ff @(posedge clk_i) if (write_i) mem[addr_i[10:5]] <= data_i;
  assign word_o = mem[addr_i[5:0]];
endmodule
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLOCKVIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return synthesize(ArrayConfig(), design({"top.sv": FAULTY}, "top"))


def of(synthesis: Synthesis, module: str) -> list[str]:
    return [line for line in synthesis["problems"] if line.startswith((f"{module}:", f"{module}."))]


def test_latch_is_named(faulty: Synthesis) -> None:
    (line,) = of(faulty, "hold")
    assert line.startswith("hold: 8 bits became latches, expected none")


def test_multiplier_in_tables_is_named(faulty: Synthesis) -> None:
    (line,) = of(faulty, "little_product")
    assert line.startswith("little_product: 1 multipliers or dividers outside of DSPs")


def test_divider_is_named(faulty: Synthesis) -> None:
    (line,) = of(faulty, "division")
    assert line.startswith("division: 1 multipliers or dividers outside of DSPs")


def test_unregistered_accumulator_is_named(faulty: Synthesis) -> None:
    (line,) = of(faulty, "accumulator")
    assert line.startswith("accumulator.mem: 2048 bits became LUTRAM, expected block RAM")


def test_registered_memory_is_block_ram(faulty: Synthesis) -> None:
    (entry,) = [entry for entry in faulty["modules"] if entry["module"] == "late_memory"]
    (memory,) = entry["memories"]
    assert (memory["form"], memory["words"], memory["bits"]) == ("BRAM", 2048, 65536)
    assert entry["own"]["bram"] == 2
    assert of(faulty, "late_memory") == []
