// A token's variance to half shift (6 bits, signed) and reciprocal (24 bits): a root, a division.
//
// 2 + RootBits + QuotientBits cycles; see `root16` and `root24` of the Python beside this folder.
module norm_root #(
  parameter int unsigned RootBits = 16,
  parameter int unsigned QuotientBits = 17
) (
  input  logic        clk_i,
  input  logic [55:0] x_i,
  output logic [29:0] y_o
);

  // 2^31 with a root of 16 bits, 2^46 with one of 24.
  localparam int unsigned NumeratorBit = RootBits == 16 ? 31 : 46;
  localparam int Below = RootBits == 16 ? 12 : 4;

  logic [55:0]             scaled;
  logic [4:0]              half, half_late;
  logic [RootBits-1:0]     root;
  logic [QuotientBits-1:0] reciprocal;

  scale_variance u_scale (.clk_i, .variance_i(x_i), .scaled_o(scaled), .half_o(half));

  square_root #(.Bits(RootBits)) u_root (
    .clk_i, .enable_i(1'b1), .x_i(scaled[55-:2*RootBits]), .root_o(root)
  );

  divider #(.QuotientBits(QuotientBits), .DivisorBits(RootBits)) u_divider (
    .clk_i, .enable_i(1'b1),
    .x_i((RootBits + QuotientBits)'(1) << NumeratorBit),
    .d_i(root),
    .quotient_o(reciprocal)
  );

  delay #(.Bits(5), .Cycles(RootBits + QuotientBits)) u_half (
    .clk_i, .data_i(half), .data_o(half_late)
  );

  assign y_o = {6'(half_late) - 6'(Below), 24'(reciprocal)};

endmodule
