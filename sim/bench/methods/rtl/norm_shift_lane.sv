// As `norm_lane`, with r 2^15 or 2^16: only a shift.
//
// Two cycles.
module norm_shift_lane (
  input  logic        clk_i,
  input  logic [57:0] x_i,
  output logic [18:0] y_o
);

  logic signed [39:0] centred_q;
  logic [5:0]         shift_q;
  logic signed [40:0] rounded;

  // d 2^13, to the right by the shift, less 2 (r = 2^15) or 3 (r = 2^16)
  assign rounded = (41'(centred_q) >>> (shift_q - 6'd1)) + 1;

  always_ff @(posedge clk_i) begin
    centred_q <= {x_i[26:0], 13'd0};
    shift_q <= x_i[57:52] - (x_i[44] ? 6'd3 : 6'd2);
    y_o <= rounded[19:1];
  end

endmodule
