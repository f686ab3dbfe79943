// Delays the bytes of a word so that byte r leaves r + 1 cycles later: the slope of the array.
module skew #(
  parameter int unsigned Rows = 16
) (
  input  logic              clk_i,
  input  logic [Rows*8-1:0] word_i,
  output logic [Rows*8-1:0] word_o
);

  for (genvar r = 0; r < Rows; r++) begin : g_row
    logic [(r+1)*8-1:0] delay_q;
    if (r == 0) begin : g_first
      always_ff @(posedge clk_i) delay_q <= word_i[7:0];
    end else begin : g_later
      always_ff @(posedge clk_i) delay_q <= {delay_q[r*8-1:0], word_i[r*8+:8]};
    end
    assign word_o[r*8+:8] = delay_q[r*8+:8];
  end

endmodule
