// Two numbers of every token, gathered over its features: their sum (or maximum) and the sum of their
// squares (or powers, or products).
module token_state
  import core_pkg::*;
#(
  parameter int unsigned Lanes  = 16,
  parameter int unsigned Tokens = 256
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                enable_i,  /// the pipeline moves
  input  pass_e               pass_i,
  input  logic                stats_i,   /// the pass gathers its results, if it may
  input  logic [15:0]         token_i,   /// cycle 0: to be read
  input  vstep_t              step_3_i,
  input  vstep_t              step_5_i,
  // lanes, cycles 3 and, of powers, 5
  input  logic [Lanes*16-1:0] value_3_i,
  input  logic [Lanes-1:0]    used_3_i,
  input  logic [Lanes*31-1:0] square_3_i,
  input  logic [Lanes*16-1:0] power_5_i,
  // cycle 1
  output logic signed [27:0]  total_o,
  output logic [43:0]         square_o
);

  localparam int unsigned TokenBits = $clog2(Tokens);
  localparam int unsigned Levels = $clog2(Lanes);

  logic signed [27:0]   total_mem [Tokens];
  logic [43:0]          square_mem[Tokens];
  logic signed [27:0]   total_q, tree_total, old_total;
  logic [43:0]          square_q, old_square;
  logic signed [43:0]   tree_squares;
  logic [TokenBits-1:0] early, late, write_token;
  logic                 total_late, square_late, total_write, square_write, gathers, accumulate;
  vstep_t               tail_q[1:Levels];
  logic [Lanes*16-1:0]  tree_power;
  logic [Lanes*32-1:0]  tree_square;

  assign total_o  = total_q;
  assign square_o = square_q;

  // Sums over lanes leave the trees `Levels` cycles after cycle 3, or after cycle 5 for powers.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      for (int s = 1; s <= Levels; s++) tail_q[s] <= '0;
    end else if (enable_i) begin
      tail_q[1] <= pass_i == PassSum ? step_5_i : step_3_i;
      for (int s = 2; s <= Levels; s++) tail_q[s] <= tail_q[s-1];
    end
  end

  assign early        = TokenBits'(token_i);
  assign late         = TokenBits'(tail_q[Levels-1].token);
  assign write_token  = TokenBits'(tail_q[Levels].token);
  assign gathers      = pass_i == PassAdd || pass_i == PassSelect || pass_i == PassScore;
  assign accumulate   = tail_q[Levels].valid;
  assign total_late   = gathers || pass_i == PassMax;
  assign square_late  = gathers || pass_i == PassSum;
  assign total_write  = accumulate && ((gathers && stats_i) || pass_i == PassMax);
  assign square_write = accumulate && ((gathers && stats_i) || pass_i == PassSum);

  always_ff @(posedge clk_i) begin
    if (enable_i) total_q <= total_mem[total_late ? late : early];
    if (total_write) total_mem[write_token] <= old_total;
  end
  always_ff @(posedge clk_i) begin
    if (enable_i) square_q <= square_mem[square_late ? late : early];
    if (square_write) square_mem[write_token] <= old_square;
  end
  always_comb begin
    old_total  = tree_total;
    old_square = tree_squares;
    if (!tail_q[Levels].fresh) begin
      if (pass_i != PassMax) old_total = total_q + tree_total;
      else if (total_q > tree_total) old_total = total_q;
      old_square = square_q + tree_squares;
    end
  end

  always_comb begin
    for (int l = 0; l < Lanes; l++) begin
      tree_power[l*16+:16] = value_3_i[l*16+:16];
      if (pass_i == PassMax && !used_3_i[l]) tree_power[l*16+:16] = 16'h8000;
      tree_square[l*32+:32] = pass_i == PassSum ? {16'd0, power_5_i[l*16+:16]}
                                                : {1'b0, square_3_i[l*31+:31]};
    end
  end
  vector_tree #(.Lanes(Lanes), .Bits(16), .Out(28)) u_total (
    .clk_i, .enable_i, .max_i(pass_i == PassMax), .lanes_i(tree_power), .result_o(tree_total)
  );
  vector_tree #(.Lanes(Lanes), .Bits(32), .Out(44)) u_square (
    .clk_i, .enable_i, .max_i(1'b0), .lanes_i(tree_square), .result_o(tree_squares)
  );

  logic unused;
  assign unused = &{step_5_i, token_i, tail_q[Levels]};

endmodule
