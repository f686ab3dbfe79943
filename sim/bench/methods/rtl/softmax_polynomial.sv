// As `softmax_table`, with the square of I-BERT's polynomial; its common factor is left out.
//
// Two cycles.
module softmax_polynomial #(
  parameter int unsigned Start = 1,
  parameter int unsigned Offset = 1,
  parameter int unsigned Drop = 1
) (
  input  logic        clk_i,
  input  logic [15:0] x_i,
  output logic [15:0] y_o
);

  logic [8:0]  distance;
  logic [17:0] square_q;
  logic [7:0]  whole_q;
  logic [15:0] power;

  assign distance = 9'(Start) - {1'b0, x_i[7:0]};
  assign power = 16'((19'(square_q) + 19'(Offset)) >> Drop);

  always_ff @(posedge clk_i) begin
    square_q <= 18'(distance) * 18'(distance);
    whole_q <= x_i[15:8];
    y_o <= power >> (|whole_q[7:5] ? 5'd31 : whole_q[4:0]);
  end

endmodule
