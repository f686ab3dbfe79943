// Watches the addresses of memory accesses: is one of them outside of its memory?
module memory_check #(
  parameter int unsigned Ports = 1
) (
  input  logic [Ports-1:0]    access_i,
  input  logic [Ports*32-1:0] addr_i,
  input  logic [Ports*32-1:0] words_i,   /// depth of the memory behind each port
  output logic                outside_o
);

  always_comb begin
    outside_o = 1'b0;
    for (int p = 0; p < Ports; p++) begin
      if (access_i[p] && addr_i[p*32+:32] >= words_i[p*32+:32]) outside_o = 1'b1;
    end
  end

endmodule
