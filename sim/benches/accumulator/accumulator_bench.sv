// The accumulators with their tag as plain ports.
module accumulator_bench
  import core_pkg::*;
#(
  parameter int unsigned Cols  = 16,
  parameter int unsigned Depth = 256
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     tag_valid_i,
  input  logic                     tag_first_i,
  input  logic                     tag_last_i,
  input  logic                     tag_last_token_i,
  input  logic [1:0]               tag_slot_i,
  input  logic [Cols*32-1:0]       sum_i,
  output logic                     tile_done_o,
  output logic [1:0]               tile_slot_o,
  input  logic                     read_i,
  input  logic                     read_bank_i,
  input  logic [$clog2(Depth)-1:0] read_addr_i,
  output logic [Cols*32-1:0]       read_data_o
);

  tag_t tag;

  assign tag = '{
    valid: tag_valid_i, first: tag_first_i, last: tag_last_i, last_token: tag_last_token_i,
    slot: tag_slot_i, bank: tag_slot_i[0]
  };

  accumulator #(
    .Cols(Cols), .Depth(Depth)
  ) u_accumulator (
    .clk_i, .rst_ni, .tag_i(tag), .sum_i, .tile_done_o, .tile_slot_o, .read_i, .read_bank_i,
    .read_addr_i, .read_data_o
  );

endmodule
