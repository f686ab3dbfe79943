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

  function automatic logic [15:0] round_saturate(
    input logic signed [48:0] product, input logic [5:0] shift, input logic wide
  );
    logic signed [48:0] rounded;
    rounded = (product + ((49'sd1 << shift) >>> 1)) >>> shift;
    if (wide) begin
      if (rounded > 49'sd32767) return 16'h7fff;
      if (rounded < -49'sd32768) return 16'h8000;
    end else begin
      if (rounded > 49'sd127) return 16'h007f;
      if (rounded < -49'sd128) return 16'hff80;
    end
    return rounded[15:0];
  endfunction

  always_ff @(posedge clk_i) begin
    if (enable_bias_i) biased_q <= acc_i + bias_i;
    if (enable_mult_i) product_q <= 49'(biased_q) * $signed({33'd0, mult_i});
    if (enable_round_i) result_o <= round_saturate(product_q, shift_i, wide_i);
  end

endmodule
