// One lane of the vector unit: `docs/integer.md`, softmax, layernorm, add, mean.
//
// Cycles are counted from a step (0); operands arrive in cycle 1. One pass is under way at a time.
// Three multipliers: x * x or channels * x; value * factor; normalized value * gain.
module vector_lane
  import core_pkg::*;
(
  input  logic               clk_i,
  input  logic               enable_i,       /// the pipeline moves
  input  pass_e              pass_i,
  input  logic               wide_i,         /// int16 results of a layer norm or mean
  // cycle 1
  input  logic               used_i,         /// the lane holds a feature
  input  logic signed [15:0] x_i,
  input  logic signed [15:0] second_i,       /// to be added, or 0
  // cycle 2
  input  logic               valid_2_i,
  input  logic               fresh_2_i,      /// first token: the mean starts anew
  input  logic signed [27:0] total_2_i,      /// sum of the channels, or largest score
  input  logic signed [12:0] channels_i,     /// held, as all without a cycle
  // cycle 3
  input  logic [1:0]         centre_3_i,     /// bits that the centred value loses
  // cycle 3 of a norm or mean, 5 of a softmax
  input  logic signed [26:0] factor_i,       /// reciprocal, or the mean's multiplier
  // cycle 4 of a norm or mean, 6 of a softmax
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

  // Cycle 1: add
  logic signed [16:0] sum;
  logic signed [15:0] x_1q;
  logic               used_1q;
  assign sum = 17'(x_i) + 17'(second_i);
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      used_1q <= used_i;
      if (!used_i) x_1q <= '0;
      else if (sum > 17'sd32767) x_1q <= 16'sh7fff;
      else if (sum < -17'sd32768) x_1q <= 16'sh8000;
      else x_1q <= 16'(sum);
    end
  end
  assign sum_2_o = x_1q;

  // Cycle 2: square, centre, distance to the maximum, sum over tokens
  logic signed [15:0] x_2q;
  logic               used_2q;
  logic signed [33:0] product_2q;
  logic [16:0]        distance_2q;
  logic signed [27:0] mean_2q;
  logic signed [15:0] multiplicand;
  assign multiplicand = pass_i == PassNorm ? 16'(channels_i) : x_1q;
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      x_2q        <= x_1q;
      used_2q     <= used_1q;
      product_2q  <= 34'(multiplicand) * 34'(x_1q) - (pass_i == PassNorm ? 34'(total_2_i) : 34'sd0);
      distance_2q <= 17'(total_2_i) - 17'(x_1q);
      if (valid_2_i) mean_2q <= (fresh_2_i ? 28'sd0 : mean_2q) + 28'(x_1q);
    end
  end
  assign value_3_o  = x_2q;
  assign used_3_o   = used_2q;
  assign square_3_o = product_2q[30:0];

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
    unique case (pass_i)
      PassShare: begin
        wide_factor   = factor_i;
        narrow_factor = $signed({2'b0, power_4q});
      end
      PassMean: begin
        wide_factor   = 27'(mean_2q);
        narrow_factor = 18'(factor_i);
      end
      default: begin
        wide_factor   = 27'(product_2q >>> centre_3_i);
        narrow_factor = 18'(factor_i);
      end
    endcase
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
