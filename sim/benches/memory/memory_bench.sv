// Both on-chip memories side by side: `one` reads and writes a word a cycle, `two` is the features'.
module memory_bench #(
  parameter int unsigned Words     = 256,
  parameter int unsigned WordBytes = 16,
  parameter int unsigned Slices    = 1
) (
  input  logic                     clk_i,
  input  logic                     one_a_read_i,
  input  logic [$clog2(Words)-1:0] one_a_addr_i,
  output logic [WordBytes*8-1:0]   one_a_data_o,
  input  logic                     one_write_i,
  input  logic [$clog2(Words)-1:0] one_write_addr_i,
  input  logic [Slices-1:0]        one_write_slices_i,
  input  logic [WordBytes*8-1:0]   one_write_data_i,
  input  logic                     two_a_read_i,
  input  logic [$clog2(Words)-1:0] two_a_addr_i,
  output logic [WordBytes*8-1:0]   two_a_data_o,
  input  logic                     two_b_read_i,
  input  logic [$clog2(Words)-1:0] two_b_addr_i,
  output logic                     two_b_grant_o,
  output logic [WordBytes*8-1:0]   two_b_data_o,
  input  logic                     two_write_i,
  input  logic [$clog2(Words)-1:0] two_write_addr_i,
  input  logic [Slices-1:0]        two_write_slices_i,
  input  logic [WordBytes*8-1:0]   two_write_data_i
);

  activation_memory #(
    .Words(Words), .WordBytes(WordBytes), .Slices(Slices)
  ) u_one (
    .clk_i, .read_i(one_a_read_i), .read_addr_i(one_a_addr_i), .read_data_o(one_a_data_o),
    .write_i(one_write_i), .write_addr_i(one_write_addr_i), .write_slices_i(one_write_slices_i),
    .write_data_i(one_write_data_i)
  );

  feature_memory #(
    .Words(Words), .WordBytes(WordBytes), .Slices(Slices)
  ) u_two (
    .clk_i, .a_read_i(two_a_read_i), .a_addr_i(two_a_addr_i), .a_data_o(two_a_data_o),
    .b_read_i(two_b_read_i), .b_addr_i(two_b_addr_i), .b_grant_o(two_b_grant_o),
    .b_data_o(two_b_data_o), .write_i(two_write_i), .write_addr_i(two_write_addr_i),
    .write_slices_i(two_write_slices_i), .write_data_i(two_write_data_i)
  );

endmodule
