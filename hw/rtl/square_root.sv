// floor(sqrt(x)) of 2 * BITS bits, a result a cycle: one bit of the root a stage, BITS cycles.
module square_root #(
  parameter int unsigned Bits = 16
) (
  input  logic              clk_i,
  input  logic              enable_i,  /// the pipeline moves
  input  logic [2*Bits-1:0] x_i,
  output logic [Bits-1:0]   root_o
);

  logic [2*Bits-1:0] rest_q[Bits+1];   // bits of x not looked at yet, on top
  logic [Bits+1:0]   left_q[Bits+1];   // x so far less the square of the root so far
  logic [Bits-1:0]   root_q[Bits+1];

  assign rest_q[0] = x_i;
  assign left_q[0] = '0;
  assign root_q[0] = '0;

  for (genvar s = 0; s < Bits; s++) begin : g_stage
    logic [Bits+1:0] left, trial;
    assign left  = {left_q[s][Bits-1:0], rest_q[s][2*Bits-1-:2]};
    assign trial = {root_q[s], 2'b01};
    always_ff @(posedge clk_i) begin
      if (enable_i) begin
        rest_q[s+1] <= rest_q[s] << 2;
        left_q[s+1] <= left >= trial ? left - trial : left;
        root_q[s+1] <= {root_q[s][Bits-2:0], left >= trial};
      end
    end
  end

  assign root_o = root_q[Bits];

endmodule
