// 2^15 * 2^(-x / 256) for a score's distance x from its row's largest: a table, then a shift.
//
// Two cycles.
module softmax_table (
  input  logic        clk_i,
  input  logic [15:0] x_i,
  output logic [15:0] y_o
);

  logic [15:0] entry_q;
  logic [7:0]  whole_q;

  exp2_rom u_rom (.clk_i, .index_i(x_i[7:0]), .data_o(entry_q));

  always_ff @(posedge clk_i) begin
    whole_q <= x_i[15:8];
    y_o <= entry_q >> (|whole_q[7:5] ? 5'd31 : whole_q[4:0]);
  end

endmodule
