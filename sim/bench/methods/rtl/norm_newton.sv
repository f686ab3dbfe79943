// As `norm_root`, with a guess from a table of 192 entries and one step of Newton's method.
//
// Six cycles: y (3 - m y^2) / 2.
module norm_newton (
  input  logic        clk_i,
  input  logic [55:0] x_i,
  output logic [29:0] y_o
);

  logic [55:0] scaled;
  logic [4:0]  half, half_late;
  logic [15:0] guess, guess_q, guess_2q;
  logic [17:0] m_q, m_2q;
  logic [16:0] square_q, reciprocal_q;
  logic [17:0] correction_q;

  scale_variance u_scale (.clk_i, .variance_i(x_i), .scaled_o(scaled), .half_o(half));
  newton_rom u_rom (.clk_i, .index_i(scaled[55:48]), .data_o(guess));
  delay #(.Bits(5), .Cycles(4)) u_half (.clk_i, .data_i(half), .data_o(half_late));

  always_ff @(posedge clk_i) begin
    m_q <= scaled[55:38];

    m_2q <= m_q;
    guess_q <= guess;
    square_q <= 17'((32'(guess) * 32'(guess)) >> 15);

    guess_2q <= guess_q;
    correction_q <= 18'd196608 - 18'((35'(m_2q) * 35'(square_q)) >> 17);

    reciprocal_q <= 17'((34'(guess_2q) * 34'(correction_q)) >> 17);
  end

  assign y_o = {6'(half_late) - 6'd12, 7'd0, reciprocal_q};

endmodule
