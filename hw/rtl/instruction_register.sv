// Collects an instruction from the lines of the program stream.
module instruction_register
  import blockvit_pkg::*;
#(
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   write_i,  /// the line is the next part of the instruction
  input  logic [LineBytes*8-1:0] line_i,
  output instr_t                 instr_o,  /// as a matrix product
  output vector_t                vector_o  /// as any other instruction
);

  localparam int unsigned Bits = InstrWords * 32;

  logic [Bits-1:0] bits_q;

  if (LineBytes * 8 >= Bits) begin : g_wide_line
    logic unused;
    assign unused = &line_i;
    always_ff @(posedge clk_i) if (write_i) bits_q <= line_i[Bits-1:0];
  end else begin : g_narrow_line
    always_ff @(posedge clk_i) if (write_i) bits_q <= {line_i, bits_q[Bits-1:LineBytes*8]};
  end

  assign instr_o  = instr_t'(bits_q);
  assign vector_o = vector_t'(bits_q);

endmodule
