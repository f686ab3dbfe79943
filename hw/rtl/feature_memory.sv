// The features memory: a read port for tokens, and a port that writes or reads, for results and for
// activations that serve as weights. Block RAM has just these two.
//
// Read data come a cycle later. A write in the cycle of a read on the second port goes first; the
// read has to be asked for again (`b_grant_o`).
module feature_memory #(
  parameter int unsigned Words     = 65536,
  parameter int unsigned WordBytes = 16,
  parameter int unsigned Slices    = 1
) (
  input  logic                     clk_i,
  input  logic                     a_read_i,   /// tokens into the array
  input  logic [$clog2(Words)-1:0] a_addr_i,
  output logic [WordBytes*8-1:0]   a_data_o,
  input  logic                     b_read_i,   /// activations that serve as weights
  input  logic [$clog2(Words)-1:0] b_addr_i,
  output logic                     b_grant_o,  /// the read takes place
  output logic [WordBytes*8-1:0]   b_data_o,
  input  logic                     write_i,
  input  logic [$clog2(Words)-1:0] write_addr_i,
  input  logic [Slices-1:0]        write_slices_i,
  input  logic [WordBytes*8-1:0]   write_data_i
);

  localparam int unsigned Bits = WordBytes * 8 / Slices;

  (* ram_style = "block" *) logic [WordBytes*8-1:0] mem[Words];
  logic [$clog2(Words)-1:0] second_addr;

  assign b_grant_o   = !write_i;
  assign second_addr = write_i ? write_addr_i : b_addr_i;

  always_ff @(posedge clk_i) begin
    if (a_read_i) a_data_o <= mem[a_addr_i];
  end

  always_ff @(posedge clk_i) begin
    if (b_read_i && !write_i) b_data_o <= mem[second_addr];
    for (int s = 0; s < Slices; s++) begin
      if (write_i && write_slices_i[s]) mem[second_addr][s*Bits+:Bits] <= write_data_i[s*Bits+:Bits];
    end
  end

endmodule
