// The output stage with its tile queue, tiles as plain ports.
module output_bench
  import core_pkg::*;
#(
  parameter int unsigned Cols      = 16,
  parameter int unsigned Slices    = 1,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // filling
  input  logic [1:0]             slot_i,
  output logic                   slot_free_o,
  output logic                   gelu_busy_o,
  input  logic                   push_i,
  input  logic                   wide_i,
  input  logic                   gelu_i,
  input  logic                   tile_empty_i,
  input  logic [15:0]            tokens_i,
  input  logic [31:0]            addr_i,
  input  logic [6:0]             slice_i,
  input  logic                   table_write_i,
  input  logic                   param_write_i,
  input  logic                   param_scale_i,
  input  logic [15:0]            line_number_i,
  input  logic [LineBytes*8-1:0] line_i,
  // progress
  input  logic                   done_i,
  input  logic [1:0]             done_slot_i,
  input  logic                   empty_i,
  input  logic [1:0]             empty_slot_i,
  output logic                   free_o,
  output logic [1:0]             free_slot_o,
  // accumulators
  output logic                   acc_read_o,
  output logic                   acc_bank_o,
  output logic [15:0]            acc_addr_o,
  input  logic [Cols*32-1:0]     acc_data_i,
  // features and sums memory
  input  logic                   write_grant_i,
  output logic                   write_o,
  output logic                   write_wide_o,
  output logic [31:0]            write_addr_o,
  output logic [Slices-1:0]      write_slices_o,
  output logic [Cols*16-1:0]     write_data_o
);

  logic [1:0]         head_slot, bias_slot, mult_slot, shift_slot;
  logic               head_done;
  tile_t              tile, head;
  logic [Cols*32-1:0] bias;
  logic [Cols*16-1:0] mult;
  logic [Cols*6-1:0]  shift;

  assign tile = '{
    wide: wide_i, gelu: gelu_i, empty: tile_empty_i, bank: slot_i[0], tokens: tokens_i,
    addr: addr_i, slice: slice_i
  };

  tile_queue #(
    .Cols(Cols), .LineBytes(LineBytes)
  ) u_tiles (
    .clk_i, .rst_ni, .slot_i, .slot_free_o, .gelu_busy_o, .push_i, .tile_i(tile), .param_write_i,
    .param_scale_i, .line_number_i, .line_i, .done_i, .done_slot_i, .empty_i, .empty_slot_i,
    .free_i(free_o), .free_slot_i(free_slot_o), .head_slot_i(head_slot), .head_done_o(head_done),
    .head_o(head), .bias_slot_i(bias_slot), .bias_o(bias), .mult_slot_i(mult_slot), .mult_o(mult),
    .shift_slot_i(shift_slot), .shift_o(shift)
  );

  output_stage #(
    .Cols(Cols), .Slices(Slices), .LineBytes(LineBytes)
  ) u_output (
    .clk_i, .rst_ni, .head_slot_o(head_slot), .head_done_i(head_done), .head_i(head),
    .bias_slot_o(bias_slot), .bias_i(bias), .mult_slot_o(mult_slot), .mult_i(mult),
    .shift_slot_o(shift_slot), .shift_i(shift), .free_o, .free_slot_o, .table_write_i,
    .line_number_i, .line_i, .acc_read_o, .acc_bank_o, .acc_addr_o, .acc_data_i, .write_grant_i,
    .write_o, .write_wide_o, .write_addr_o, .write_slices_o, .write_data_o
  );

endmodule
