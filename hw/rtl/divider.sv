// floor(x / d), a result a cycle: one bit of the quotient a stage, QUOTIENTBITS cycles.
//
// The quotient has to fit: x < d * 2^QUOTIENTBITS.
module divider #(
  parameter int unsigned QuotientBits = 25,
  parameter int unsigned DivisorBits  = 28
) (
  input  logic                                clk_i,
  input  logic                                enable_i,  /// the pipeline moves
  input  logic [DivisorBits+QuotientBits-1:0] x_i,
  input  logic [DivisorBits-1:0]              d_i,
  output logic [QuotientBits-1:0]             quotient_o
);

  logic [DivisorBits-1:0]  left_q   [QuotientBits+1];
  logic [DivisorBits-1:0]  divisor_q[QuotientBits+1];
  logic [QuotientBits-1:0] bits_q   [QuotientBits+1];  // of x, then of the quotient

  assign left_q[0]    = x_i[QuotientBits+:DivisorBits];
  assign bits_q[0]    = x_i[QuotientBits-1:0];
  assign divisor_q[0] = d_i;

  for (genvar s = 0; s < QuotientBits; s++) begin : g_stage
    logic [DivisorBits:0] left;
    logic                 fits;
    assign left = {left_q[s], bits_q[s][QuotientBits-1]};
    assign fits = left >= {1'b0, divisor_q[s]};
    always_ff @(posedge clk_i) begin
      if (enable_i) begin
        left_q[s+1]    <= left[DivisorBits-1:0] - (fits ? divisor_q[s] : '0);
        divisor_q[s+1] <= divisor_q[s];
        bits_q[s+1]    <= {bits_q[s][QuotientBits-2:0], fits};
      end
    end
  end

  assign quotient_o = bits_q[QuotientBits];

endmodule
