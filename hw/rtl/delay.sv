// What comes in leaves CYCLES later, of the cycles that are enabled.
module delay #(
  parameter int unsigned Bits   = 1,
  parameter int unsigned Cycles = 1
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            enable_i,
  input  logic [Bits-1:0] data_i,
  output logic [Bits-1:0] data_o
);

  logic [Cycles*Bits-1:0] data_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) data_q <= '0;
    else if (enable_i) data_q <= (Cycles * Bits)'({data_q, data_i});
  end

  assign data_o = data_q[(Cycles-1)*Bits+:Bits];

endmodule
