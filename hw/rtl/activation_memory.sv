// On-chip activation memory: two read ports, one write port, read data a cycle later.
//
// A word holds one token's features for the larger side of a weight tile; writes cover a slice of
// WRITEBYTES. A read in the cycle of a write to the same word returns the old value.
module activation_memory #(
  parameter int unsigned Words      = 131072,
  parameter int unsigned WordBytes  = 16,
  parameter int unsigned WriteBytes = 16
) (
  input  logic                     clk_i,
  input  logic                     a_read_i,   /// tokens into the array
  input  logic [$clog2(Words)-1:0] a_addr_i,
  output logic [WordBytes*8-1:0]   a_data_o,
  input  logic                     b_read_i,   /// activations that serve as weights
  input  logic [$clog2(Words)-1:0] b_addr_i,
  output logic [WordBytes*8-1:0]   b_data_o,
  input  logic                     write_i,
  input  logic [$clog2(Words)-1:0] write_addr_i,
  input  logic [WordBytes/WriteBytes-1:0] write_slices_i,  /// slices of the word that are written
  input  logic [WriteBytes*8-1:0]  write_data_i
);

  localparam int unsigned Slices = WordBytes / WriteBytes;

  (* ram_style = "block" *) logic [WordBytes*8-1:0] mem[Words];

  always_ff @(posedge clk_i) begin
    if (a_read_i) a_data_o <= mem[a_addr_i];
    if (b_read_i) b_data_o <= mem[b_addr_i];
  end

  always_ff @(posedge clk_i) begin
    for (int s = 0; s < Slices; s++) begin
      if (write_i && write_slices_i[s]) begin
        mem[write_addr_i][s*WriteBytes*8+:WriteBytes*8] <= write_data_i;
      end
    end
  end

endmodule
