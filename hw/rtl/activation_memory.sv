// On-chip memory of words: one read port, one write port, read data a cycle later.
//
// A word holds one token's features; a write covers the slices that it names. A read in the cycle
// of a write to the same word returns the old value.
module activation_memory #(
  parameter int unsigned Words     = 65536,
  parameter int unsigned WordBytes = 16,
  parameter int unsigned Slices    = 1
) (
  input  logic                     clk_i,
  input  logic                     read_i,
  input  logic [$clog2(Words)-1:0] read_addr_i,
  output logic [WordBytes*8-1:0]   read_data_o,
  input  logic                     write_i,
  input  logic [$clog2(Words)-1:0] write_addr_i,
  input  logic [Slices-1:0]        write_slices_i,
  input  logic [WordBytes*8-1:0]   write_data_i
);

  localparam int unsigned Bits = WordBytes * 8 / Slices;

  (* ram_style = "block" *) logic [WordBytes*8-1:0] mem[Words];

  always_ff @(posedge clk_i) begin
    if (read_i) read_data_o <= mem[read_addr_i];
  end

  always_ff @(posedge clk_i) begin
    for (int s = 0; s < Slices; s++) begin
      if (write_i && write_slices_i[s]) mem[write_addr_i][s*Bits+:Bits] <= write_data_i[s*Bits+:Bits];
    end
  end

endmodule
