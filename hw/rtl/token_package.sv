// Which tokens a selector keeps, and what each dropped one weighs in their average, the package:
// `docs/integer.md`, token selection and mean.
//
// Scores pass by one after another; the sum of those that are dropped has a reciprocal R, made outside,
// and a dropped token the weight score * R. For a mean all tokens weigh the same.
module token_package #(
  parameter int unsigned Tokens    = 256,
  parameter bit          Selectors = 1'b1  // else means alone
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      enable_i,      /// the pipeline moves
  input  logic                      start_i,       /// a program begins: there is no package yet
  // scores, of the instruction at hand
  input  logic                      begin_i,       /// none so far
  input  logic                      score_valid_i,
  input  logic [$clog2(Tokens)-1:0] score_token_i,
  input  logic [7:0]                score_i,
  input  logic [15:0]               tokens_i,
  input  logic [15:0]               prefix_i,      /// tokens in front that stay
  input  logic [7:0]                threshold_i,
  output logic                      keep_o,        /// the token with the score at hand stays
  input  logic                      end_i,         /// all scores have passed
  output logic [15:0]               live_o,        /// tokens from now on, the package included
  output logic                      dropped_o,     /// some are dropped
  // reciprocal
  input  logic                      mean_i,
  output logic [23:0]               sum_o,         /// its divisor, the sum of scores
  output logic [23:0]               top_o,         /// its dividend: the sum's highest bit, 24 further up
  input  logic                      recip_valid_i,
  input  logic [24:0]               recip_i,
  // weights
  input  logic [7:0]                score_1_i,
  output logic [16:0]               weight_3_o     /// two cycles later
);

  logic [15:0] kept_q;
  logic [23:0] sum_q;
  logic        packed_q, packed_last;  // something has been dropped since the program's start

  assign packed_last = packed_q && 16'(score_token_i) + 16'd1 == tokens_i;
  assign keep_o      = 16'(score_token_i) < prefix_i || (score_i >= threshold_i && !packed_last);
  assign dropped_o   = Selectors && kept_q != tokens_i;
  assign live_o      = kept_q + 16'(dropped_o);

  function automatic logic [7:0] at_least_one(input logic [7:0] score);
    return score == '0 ? 8'd1 : score;
  endfunction

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      packed_q <= 1'b0;
      kept_q   <= '0;
      sum_q    <= '0;
    end else if (Selectors) begin
      if (start_i) packed_q <= 1'b0;
      else if (end_i && dropped_o) packed_q <= 1'b1;
      if (begin_i) begin
        kept_q <= '0;
        sum_q  <= '0;
      end else if (score_valid_i) begin
        if (keep_o) kept_q <= kept_q + 16'd1;
        else sum_q <= sum_q + 24'(at_least_one(score_i));
      end
    end
  end

  // R = 2^(23 + bits) // sum, of a sum of so many bits
  logic [4:0]  bits;
  logic [24:0] recip_q;
  assign sum_o = mean_i ? 24'(tokens_i) : sum_q;
  always_comb begin
    bits  = '0;
    top_o = '0;
    for (int b = 0; b < 24; b++) begin
      if (sum_o[b]) begin
        bits  = 5'(b + 1);
        top_o = 24'd1 << b;
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (recip_valid_i) recip_q <= recip_i;
  end

  // Weight: 17 bits behind the point
  logic [7:0]  score_1;
  logic [32:0] product_2q, rounded;
  assign score_1 = mean_i ? 8'd1 : at_least_one(score_1_i);
  assign rounded = (product_2q + (33'd1 << (5'd5 + bits))) >> (5'd6 + bits);
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      product_2q <= 33'(score_1) * 33'(recip_q);
      weight_3_o <= rounded > 33'h1ffff ? 17'h1ffff : rounded[16:0];
    end
  end

endmodule
