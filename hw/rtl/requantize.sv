// Accumulator to int8 or int16: add the bias, multiply, round half up, shift, saturate.
//
// Four cycles: `docs/integer.md`, requantization. One lane.
module requantize (
  input  logic               clk_i,
  input  logic               enable_bias_i,   /// first cycle
  input  logic               enable_mult_i,   /// second cycle
  input  logic               enable_round_i,  /// third cycle
  input  logic               enable_shift_i,  /// fourth cycle
  input  logic signed [31:0] acc_i,
  input  logic signed [31:0] bias_i,          /// first cycle
  input  logic [15:0]        mult_i,          /// second cycle
  input  logic [5:0]         shift_i,         /// third cycle
  input  logic               wide_i,          /// fourth cycle: saturate to int16
  output logic [15:0]        result_o
);

  logic signed [31:0] biased_q;
  logic signed [48:0] product_q, raised_q;
  logic [5:0]         shift_q;

  function automatic logic [15:0] saturate(input logic signed [48:0] value, input logic wide);
    if (wide) begin
      if (value > 49'sd32767) return 16'h7fff;
      if (value < -49'sd32768) return 16'h8000;
    end else begin
      if (value > 49'sd127) return 16'h007f;
      if (value < -49'sd128) return 16'hff80;
    end
    return value[15:0];
  endfunction

  always_ff @(posedge clk_i) begin
    if (enable_bias_i) biased_q <= acc_i + bias_i;
    if (enable_mult_i) product_q <= 49'(biased_q) * $signed({33'd0, mult_i});
    if (enable_round_i) begin
      raised_q <= product_q + ((49'sd1 << shift_i) >>> 1);
      shift_q  <= shift_i;
    end
    if (enable_shift_i) result_o <= saturate(raised_q >>> shift_q, wide_i);
  end

endmodule
