// As `norm_root`, with the reciprocal rounded to a power of two.
//
// Two cycles.
module norm_power (
  input  logic        clk_i,
  input  logic [55:0] x_i,
  output logic [29:0] y_o
);

  logic [55:0] scaled;
  logic [4:0]  half;

  scale_variance u_scale (.clk_i, .variance_i(x_i), .scaled_o(scaled), .half_o(half));

  assign y_o = {6'(half) - 6'd12, 7'd0, !scaled[55], scaled[55], 15'd0};

endmodule
