// Accumulator to int8 or int16: add the bias, multiply, round half up, shift, saturate.
//
// Three cycles: `docs/integer.md`, requantization. One lane.
module requantize (
  input  logic               clk_i,
  input  logic               enable_bias_i,   /// first cycle
  input  logic               enable_mult_i,   /// second cycle
  input  logic               enable_round_i,  /// third cycle
  input  logic signed [31:0] acc_i,
  input  logic signed [31:0] bias_i,
  input  logic [15:0]        mult_i,          /// held over the three cycles, as is `shift_i`
  input  logic [5:0]         shift_i,
  input  logic               wide_i,          /// saturate to int16 in the third cycle
  output logic [15:0]        result_o
);

  logic signed [31:0] biased_q;
  logic signed [48:0] product_q;
  logic signed [48:0] half, rounded;
  logic [15:0]        result_d;

  always_ff @(posedge clk_i) begin
    if (enable_bias_i) biased_q <= acc_i + bias_i;
    if (enable_mult_i) product_q <= 49'(biased_q) * $signed({33'd0, mult_i});
    if (enable_round_i) result_o <= result_d;
  end

  always_comb begin
    half    = (49'sd1 << shift_i) >>> 1;
    rounded = (product_q + half) >>> shift_i;
    if (wide_i) begin
      if (rounded > 49'sd32767) result_d = 16'h7fff;
      else if (rounded < -49'sd32768) result_d = 16'h8000;
      else result_d = rounded[15:0];
    end else begin
      if (rounded > 49'sd127) result_d = 16'h007f;
      else if (rounded < -49'sd128) result_d = 16'hff80;
      else result_d = rounded[15:0];
    end
  end

endmodule
