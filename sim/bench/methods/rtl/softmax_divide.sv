// A row's reciprocal, `(probability_mult * 2^16) // sum`, by division. The sum is at least 2^15.
//
// 21 cycles. Input: probability_mult (20 bits), sum (26 bits).
module softmax_divide (
  input  logic        clk_i,
  input  logic [45:0] x_i,
  output logic [20:0] y_o
);

  divider #(.QuotientBits(21), .DivisorBits(26)) u_divider (
    .clk_i, .enable_i(1'b1),
    .x_i({11'b0, x_i[45:26], 16'b0}),
    .d_i(x_i[25:0]),
    .quotient_o(y_o)
  );

endmodule
