// A row's reciprocal with the sum rounded to a power of two, at least 2^15: a shift.
//
// Two cycles. Input: probability_mult (20 bits), sum (26 bits).
module softmax_shift (
  input  logic        clk_i,
  input  logic [45:0] x_i,
  output logic [20:0] y_o
);

  logic [19:0] mult_q;
  logic [3:0]  right_q, right;  // sum ~ 2^(15 + right)

  always_comb begin
    right = '0;
    for (int unsigned k = 1; k <= 10; k++) if (x_i[15+k]) right = 4'(k);
    for (int unsigned k = 0; k <= 10; k++) begin
      if (x_i[25:15] >> k == 11'd1 && x_i[14+k]) right = 4'(k + 1);
    end
  end

  always_ff @(posedge clk_i) begin
    mult_q <= x_i[45:26];
    right_q <= right;
    y_o <= {mult_q, 1'b0} >> right_q;
  end

endmodule
