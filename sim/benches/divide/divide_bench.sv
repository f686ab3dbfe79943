// Roots and quotients of the sizes that `token_factor` needs, and small ones to try out wholly.
module divide_bench (
  input  logic        clk_i,
  input  logic [31:0] root_x_i,
  output logic [15:0] root_o,
  input  logic [7:0]  small_root_x_i,
  output logic [3:0]  small_root_o,
  input  logic [52:0] quotient_x_i,
  input  logic [27:0] quotient_d_i,
  output logic [24:0] quotient_o,
  input  logic [7:0]  small_quotient_x_i,
  input  logic [3:0]  small_quotient_d_i,
  output logic [3:0]  small_quotient_o
);

  square_root #(.Bits(16)) u_root (.clk_i, .enable_i(1'b1), .x_i(root_x_i), .root_o);
  square_root #(.Bits(4)) u_small_root (.clk_i, .enable_i(1'b1), .x_i(small_root_x_i), .root_o(small_root_o));
  divider #(
    .QuotientBits(25), .DivisorBits(28)
  ) u_divider (
    .clk_i, .enable_i(1'b1), .x_i(quotient_x_i), .d_i(quotient_d_i), .quotient_o
  );
  divider #(
    .QuotientBits(4), .DivisorBits(4)
  ) u_small_divider (
    .clk_i, .enable_i(1'b1), .x_i(small_quotient_x_i), .d_i(small_quotient_d_i), .quotient_o(small_quotient_o)
  );

endmodule
