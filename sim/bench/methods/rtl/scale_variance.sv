// A token's variance, shifted left by an even number of bits until one of its upper two is set.
//
// Two cycles. v 4^(half - 12) lies in [2^30, 2^32) and is the upper 32 bits of the result.
module scale_variance (
  input  logic        clk_i,
  input  logic [55:0] variance_i,
  output logic [55:0] scaled_o,
  output logic [4:0]  half_o
);

  logic [55:0] coarse, coarse_q, fine;
  logic [4:0]  half, half_q, half_fine;

  always_comb begin
    coarse = variance_i;
    half = '0;
    for (int unsigned step = 16; step >= 4; step = step / 2) begin
      if (coarse >> (56 - 2 * step) == '0) begin
        coarse = coarse << 2 * step;
        half = half + 5'(step);
      end
    end
    fine = coarse_q;
    half_fine = half_q;
    for (int unsigned step = 2; step >= 1; step = step / 2) begin
      if (fine >> (56 - 2 * step) == '0) begin
        fine = fine << 2 * step;
        half_fine = half_fine + 5'(step);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    coarse_q <= coarse;
    half_q <= half;
    scaled_o <= fine;
    half_o <= half_fine;
  end

endmodule
