// One lane of the vector unit: `docs/integer.md`, softmax, layernorm, add, token selection, mean.
//
// Cycles are counted from a step (0); operands arrive in cycle 1. One pass is under way at a time.
// Three multipliers: x * x, scale * x or keep value * x; value * factor; normalized value * gain.
module vector_lane
  import core_pkg::*;
#(
  parameter bit Selectors = 1'b1  // it knows keep values
) (
  input  logic               clk_i,
  input  logic               enable_i,       /// the pipeline moves
  input  pass_e              pass_i,
  input  logic               wide_i,         /// int16 results of a layer norm
  // cycle 1
  input  logic               used_i,         /// the lane holds a feature
  input  logic signed [15:0] x_i,
  input  logic signed [15:0] second_i,       /// to be added, or 0
  input  logic signed [7:0]  keep_i,         /// of a SCORE
  input  logic               package_1_i,    /// the package in place of the operands
  // cycle 2
  input  logic signed [27:0] total_2_i,      /// sum of the channels, or largest score
  input  logic               scaled_2_i,     /// the operand meets the scale
  input  logic signed [17:0] scale_2_i,      /// channels, or the token's weight in the package
  // cycle 3
  input  logic               gather_3_i,     /// a token of the package's sum,
  input  logic               fresh_3_i,      /// which starts anew,
  input  logic               drop_3_i,       /// and takes the token
  input  logic [1:0]         centre_3_i,     /// bits that the centred value loses
  // cycle 3 of a norm, 5 of a softmax
  input  logic signed [26:0] factor_i,       /// reciprocal
  // cycle 4 of a norm, 6 of a softmax
  input  logic [5:0]         round_i,
  // cycles 5 and 6
  input  logic signed [15:0] gain_5_i,
  input  logic signed [31:0] offset_5_i,
  input  logic [5:0]         shift_i,
  // results
  output logic signed [15:0] sum_2_o,        /// of the operands
  output logic signed [15:0] value_3_o,      /// x for the sum or maximum over lanes
  output logic               used_3_o,
  output logic [30:0]        square_3_o,
  output logic [15:0]        power_5_o,
  output logic signed [15:0] result_7_o
);

  // Cycle 1: add. The package's sum has 17 bits behind the point and is rounded here.
  logic signed [33:0] package_q;
  logic signed [16:0] first, second;
  logic signed [17:0] sum;
  logic signed [15:0] x_1q;
  logic signed [7:0]  keep_1q;
  logic               used_1q;
  assign first  = package_1_i ? package_q[33:17] : 17'(x_i);
  assign second = package_1_i ? {16'd0, package_q[16]} : 17'(second_i);
  assign sum    = 18'(first) + 18'(second);
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      used_1q <= used_i;
      keep_1q <= keep_i;
      if (!used_i) x_1q <= '0;
      else if (sum > 18'sd32767) x_1q <= 16'sh7fff;
      else if (sum < -18'sd32768) x_1q <= 16'sh8000;
      else x_1q <= 16'(sum);
    end
  end
  assign sum_2_o = x_1q;

  // Cycle 2: square, centre, weigh, distance to the maximum
  logic signed [15:0] x_2q;
  logic               used_2q;
  logic signed [33:0] product_2q;
  logic [16:0]        distance_2q;
  logic signed [17:0] multiplicand;
  always_comb begin
    multiplicand = 18'(x_1q);
    if (scaled_2_i) multiplicand = scale_2_i;
    else if (Selectors && pass_i == PassScore) multiplicand = 18'(keep_1q);
  end
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      x_2q        <= x_1q;
      used_2q     <= used_1q;
      product_2q  <= 34'(multiplicand) * 34'(x_1q) - (pass_i == PassNorm ? 34'(total_2_i) : 34'sd0);
      distance_2q <= 17'(total_2_i) - 17'(x_1q);
    end
  end
  assign value_3_o  = x_2q;
  assign used_3_o   = used_2q;
  assign square_3_o = product_2q[30:0];

  // Cycle 3: the package's sum
  always_ff @(posedge clk_i) begin
    if (enable_i && gather_3_i) begin
      package_q <= (fresh_3_i ? 34'sd0 : package_q) + (drop_3_i ? product_2q : 34'sd0);
    end
  end

  // Cycles 3 and 4: power of two
  logic [15:0] table_3q, power_4q;
  logic [8:0]  whole_3q;
  logic        used_3q;
  logic [15:0] table_3;
  exp2_table u_table (.fraction_i(distance_2q[7:0]), .power_o(table_3));
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      table_3q <= table_3;
      whole_3q <= distance_2q[16:8];
      used_3q  <= used_2q;
      power_4q <= !used_3q || |whole_3q[8:4] ? '0 : table_3q >> whole_3q[3:0];
    end
  end
  assign power_5_o = power_4q;

  // Value * factor, and rounding
  logic signed [26:0] wide_factor;
  logic signed [17:0] narrow_factor;
  logic signed [44:0] scaled_q;
  logic signed [19:0] rounded_q;
  always_comb begin
    wide_factor   = 27'(product_2q >>> centre_3_i);
    narrow_factor = 18'(factor_i);
    if (pass_i == PassShare) begin
      wide_factor   = factor_i;
      narrow_factor = $signed({2'b0, power_4q});
    end
  end

  function automatic logic signed [19:0] round_20(
    input logic signed [44:0] value, input logic [5:0] shift
  );
    logic signed [48:0] rounded;
    rounded = (49'(value) + ((49'sd1 << shift) >>> 1)) >>> shift;
    if (rounded > 49'sd524287) return 20'sh7ffff;
    if (rounded < -49'sd524288) return 20'sh80000;
    return 20'(rounded);
  endfunction

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      scaled_q  <= 45'(wide_factor) * 45'(narrow_factor);
      rounded_q <= round_20(scaled_q, round_i);
    end
  end

  // Cycles 5 and 6: gain and offset
  logic signed [37:0] shifted_q;
  logic signed [15:0] result_q;

  function automatic logic signed [15:0] round_saturate(
    input logic signed [37:0] value, input logic [5:0] shift, input logic wide
  );
    logic signed [63:0] rounded;
    rounded = (64'(value) + ((64'sd1 << shift) >>> 1)) >>> shift;
    if (wide) begin
      if (rounded > 64'sd32767) return 16'sh7fff;
      if (rounded < -64'sd32768) return 16'sh8000;
    end else begin
      if (rounded > 64'sd127) return 16'sd127;
      if (rounded < -64'sd128) return -16'sd128;
    end
    return 16'(rounded);
  endfunction

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      shifted_q <= 38'(rounded_q) * 38'(gain_5_i) + 38'(offset_5_i);
      result_q  <= round_saturate(shifted_q, shift_i, wide_i);
    end
  end

  always_comb begin
    result_7_o = result_q;
    if (pass_i == PassShare) result_7_o = rounded_q > 20'sd127 ? 16'sd127 : 16'(rounded_q);
  end

endmodule
