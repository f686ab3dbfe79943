// From a token's sums to the factor of its values, a token a cycle: `docs/integer.md`.
//
// Layer norm: the variance, scaled by an even power of two, its root, the root's reciprocal, and the
// shift that undoes the scaling. What is divided directly, enters at the divider.
module token_factor #(
  parameter int unsigned Tokens = 256
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      enable_i,     /// the pipeline moves
  input  logic                      direct_i,     /// no layer norm; held, as channels and epsilon
  input  logic [15:0]               channels_i,
  input  logic [47:0]               epsilon_i,
  input  logic                      valid_i,
  input  logic [$clog2(Tokens)-1:0] token_i,
  input  logic signed [27:0]        total_i,      /// sum of the channels
  input  logic [43:0]               square_i,     /// sum of their squares
  input  logic [52:0]               dividend_i,   /// if `direct_i`, below divisor * 2^25
  input  logic [27:0]               divisor_i,
  output logic                      valid_o,
  output logic [$clog2(Tokens)-1:0] token_o,
  output logic [24:0]               factor_o,
  output logic [5:0]                shift_o,
  output logic [1:0]                centre_o      /// bits that the token's centred channels lose
);

  localparam int unsigned TokenBits = $clog2(Tokens);
  localparam int unsigned RootBits = 16;
  localparam int unsigned QuotientBits = 25;
  localparam int unsigned DivisorBits = 28;
  localparam int unsigned Front = 5;  // cycles before the root

  // Variance: channels * sum of squares - square of the sum + epsilon
  logic [27:0] magnitude;
  logic [37:0] low_q, high_q;
  logic [27:0] top_q, middle_q, bottom_q;
  logic [59:0] products_q, squared_q, variance_q;
  assign magnitude = total_i[27] ? 28'(-total_i) : total_i;
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      low_q      <= 38'(channels_i) * 38'(square_i[21:0]);
      high_q     <= 38'(channels_i) * 38'(square_i[43:22]);
      top_q      <= 28'(magnitude[27:14]) * 28'(magnitude[27:14]);
      middle_q   <= 28'(magnitude[27:14]) * 28'(magnitude[13:0]);
      bottom_q   <= 28'(magnitude[13:0]) * 28'(magnitude[13:0]);
      products_q <= {high_q, 22'd0} + 60'(low_q);
      squared_q  <= {4'd0, top_q, 28'd0} + {17'd0, middle_q, 15'd0} + 60'(bottom_q);
      variance_q <= products_q - squared_q + 60'(epsilon_i);
    end
  end

  // Scaled to [2^30, 2^32): find the top pair of bits that holds a one.
  logic [4:0]  pair, pair_q, pair_2q;
  logic [59:0] variance_2q;
  logic [31:0] scaled_q;
  always_comb begin
    pair = '0;
    for (int p = 0; p < 30; p++) if (variance_q[2*p+:2] != 2'd0) pair = 5'(p);
  end
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      pair_q      <= pair;
      variance_2q <= variance_q;
      pair_2q     <= pair_q;
      scaled_q    <= pair_q >= 5'd15 ? 32'(variance_2q >> {pair_q - 5'd15, 1'b0})
                                     : 32'(variance_2q) << {5'd15 - pair_q, 1'b0};
    end
  end

  // Centred values keep 27 bits: of more than 1024 channels, large ones lose the lowest. The shift is
  // 19 - h - e with h = 15 - pair.
  logic [1:0] centre_q;
  logic [5:0] shift_q;
  always_comb begin
    if (pair_2q <= 5'd15 || channels_i <= 16'd1024) centre_q = 2'd0;
    else centre_q = channels_i > 16'd2048 ? 2'd2 : 2'd1;
    shift_q = 6'd4 + 6'(pair_2q) - 6'(centre_q);
  end

  logic [RootBits-1:0] root;
  square_root #(.Bits(RootBits)) u_root (.clk_i, .enable_i, .x_i(scaled_q), .root_o(root));

  divider #(
    .QuotientBits(QuotientBits), .DivisorBits(DivisorBits)
  ) u_divider (
    .clk_i,
    .enable_i,
    .x_i       (direct_i ? dividend_i : 53'd1 << 31),
    .d_i       (direct_i ? divisor_i : 28'(root)),
    .quotient_o(factor_o)
  );

  // What belongs to the token goes along.
  logic                 root_valid;
  logic [TokenBits-1:0] root_token;
  logic [7:0]           root_scale;
  delay #(
    .Bits(1 + TokenBits), .Cycles(Front + RootBits)
  ) u_token (
    .clk_i, .rst_ni, .enable_i, .data_i({valid_i && !direct_i, token_i}), .data_o({root_valid, root_token})
  );
  delay #(
    .Bits(8), .Cycles(RootBits)
  ) u_scale (
    .clk_i, .rst_ni, .enable_i, .data_i({centre_q, shift_q}), .data_o(root_scale)
  );
  delay #(
    .Bits(9 + TokenBits), .Cycles(QuotientBits)
  ) u_end (
    .clk_i, .rst_ni, .enable_i,
    .data_i({direct_i ? valid_i : root_valid, direct_i ? token_i : root_token, root_scale}),
    .data_o({valid_o, token_o, centre_o, shift_o})
  );

endmodule
