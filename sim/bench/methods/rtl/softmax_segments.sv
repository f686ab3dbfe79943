// As `softmax_table`, with sixteen lines between exact powers.
//
// Three cycles.
module softmax_segments (
  input  logic        clk_i,
  input  logic [15:0] x_i,
  output logic [15:0] y_o
);

  logic [26:0] segment_q;  // drop over the segment, power at its start
  logic [15:0] start_q;
  logic [14:0] product_q;
  logic [3:0]  position_q;
  logic [7:0]  whole_q, whole_2q;
  logic [15:0] power;

  segment_rom u_rom (.clk_i, .index_i(x_i[7:4]), .data_o(segment_q));

  assign power = start_q - 16'((product_q + 15'd8) >> 4);

  always_ff @(posedge clk_i) begin
    position_q <= x_i[3:0];
    whole_q <= x_i[15:8];
    start_q <= segment_q[15:0];
    product_q <= segment_q[26:16] * position_q;
    whole_2q <= whole_q;
    y_o <= power >> (|whole_2q[7:5] ? 5'd31 : whole_2q[4:0]);
  end

endmodule
