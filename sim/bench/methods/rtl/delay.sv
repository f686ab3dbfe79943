// `data_i` a fixed number of cycles later, at least two.
module delay #(
  parameter int unsigned Bits = 1,
  parameter int unsigned Cycles = 1
) (
  input  logic            clk_i,
  input  logic [Bits-1:0] data_i,
  output logic [Bits-1:0] data_o
);

  logic [Cycles-1:0][Bits-1:0] data_q;

  assign data_o = data_q[Cycles-1];

  always_ff @(posedge clk_i) data_q <= {data_q[Cycles-2:0], data_i};

endmodule
