// One value's normalization, `round(d * r, shift)`, where the result fits 19 bits.
//
// Two cycles. Input: shift (6 bits), r (24 bits), d (28 bits, signed).
module norm_lane #(
  parameter int unsigned CentredBits = 27,
  parameter int unsigned ReciprocalBits = 17
) (
  input  logic        clk_i,
  input  logic [57:0] x_i,
  output logic [18:0] y_o
);

  localparam int unsigned ProductBits = CentredBits + ReciprocalBits + 1;

  logic signed [CentredBits-1:0]  centred;
  logic signed [ReciprocalBits:0] reciprocal;
  logic signed [ProductBits-1:0]  product_q;
  logic signed [ProductBits:0]    rounded;
  logic [5:0]                     shift_q;

  assign centred = x_i[CentredBits-1:0];
  assign reciprocal = {1'b0, x_i[28+:ReciprocalBits]};
  assign rounded = ((ProductBits+1)'(product_q) >>> (shift_q - 6'd1)) + 1;

  always_ff @(posedge clk_i) begin
    product_q <= centred * reciprocal;
    shift_q <= x_i[57:52];
    y_o <= rounded[19:1];
  end

endmodule
