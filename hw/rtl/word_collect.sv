// Collects lines of the program stream into the words of a memory.
module word_collect #(
  parameter int unsigned Bytes     = 32,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   write_i,  /// the line is the next part
  input  logic [LineBytes*8-1:0] line_i,
  output logic [Bytes*8-1:0]     word_o    /// the last BYTES, the latest line on top
);

  if (Bytes == LineBytes) begin : g_same
    always_ff @(posedge clk_i) if (write_i) word_o <= line_i;
  end else begin : g_shift
    always_ff @(posedge clk_i) if (write_i) word_o <= {line_i, word_o[Bytes*8-1:LineBytes*8]};
  end

endmodule
