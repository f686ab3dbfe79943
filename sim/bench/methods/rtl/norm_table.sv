// As `norm_root`, with the reciprocal from a table of 768 entries.
//
// Three cycles.
module norm_table (
  input  logic        clk_i,
  input  logic [55:0] x_i,
  output logic [29:0] y_o
);

  logic [55:0] scaled;
  logic [4:0]  half, half_q;
  logic [15:0] entry;

  scale_variance u_scale (.clk_i, .variance_i(x_i), .scaled_o(scaled), .half_o(half));
  reciprocal_rom u_rom (.clk_i, .index_i(scaled[55:46]), .data_o(entry));

  always_ff @(posedge clk_i) half_q <= half;

  assign y_o = {6'(half_q) - 6'd12, 8'd0, entry};

endmodule
