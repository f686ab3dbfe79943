// The loader with its tiles and items as plain ports, and the words that it collects.
module loader_bench
  import core_pkg::*;
  import blockvit_pkg::*;
#(
  parameter int unsigned Rows      = 16,
  parameter int unsigned Cols      = 16,
  parameter int unsigned LineBytes = 16,
  parameter int unsigned AccDepth  = 256,
  parameter int unsigned NormRows  = 128,
  localparam int unsigned Word     = Rows > Cols ? Rows : Cols
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   start_i,
  input  logic                   line_valid_i,
  input  logic [LineBytes*8-1:0] line_i,
  output logic                   line_pop_o,
  output logic                   line_wait_o,
  output logic                   illegal_o,
  output logic [15:0]            id_o,
  input  logic                   live_valid_i,
  input  logic [15:0]            live_i,
  output logic                   table_write_o,
  output logic                   param_write_o,
  output logic                   param_scale_o,
  output logic [15:0]            line_number_o,
  input  logic                   idle_i,
  output logic                   word_part_o,
  output logic                   word_features_o,
  output logic                   word_residual_o,
  output logic                   word_norm_o,
  output logic [31:0]            word_addr_o,
  output logic [1:0]             word_bank_o,
  output logic [Word*16-1:0]     word_data_o,
  input  logic                   norm_free_i,
  input  logic                   slot_free_i,
  input  logic                   gelu_busy_i,
  output logic [1:0]             slot_o,
  output logic                   tile_push_o,
  output logic                   tile_wide_o,
  output logic                   tile_gelu_o,
  output logic                   tile_empty_o,
  output logic                   tile_bank_o,
  output logic [15:0]            tile_tokens_o,
  output logic [31:0]            tile_addr_o,
  output logic [6:0]             tile_slice_o,
  output logic                   read_o,
  input  logic                   read_grant_i,
  output logic [31:0]            read_addr_o,
  output logic [31:0]            read_end_o,
  input  logic                   read_hazard_i,
  output logic [Rows-1:0]        load_row_o,
  output logic [Cols-1:0]        load_col_o,
  output logic                   load_stream_o,
  output logic                   load_zero_o,
  output logic                   by_col_o,
  output logic [6:0]             load_slice_o,
  output logic [LineBytes*8-1:0] load_line_o,
  output logic                   item_valid_o,
  input  logic                   item_take_i,
  input  logic                   block_take_i,
  output logic [255:0]           vector_o,
  output logic [1:0]             item_kind_o,
  output logic                   item_first_o,
  output logic                   item_last_o,
  output logic                   item_op_last_o,
  output logic                   item_normal_o,
  output logic                   item_common_o,
  output logic                   item_wide_o,
  output logic [1:0]             item_slot_o,
  output logic                   item_bank_o,
  output logic [15:0]            item_id_o,
  output logic [15:0]            item_tokens_o,
  output logic [31:0]            item_in_addr_o,
  output logic [6:0]             item_in_slice_o,
  output logic [31:0]            item_out_first_o,
  output logic [31:0]            item_out_end_o
);

  tile_t       tile;
  item_t       item;
  vector_t     vector;
  load_state_e load_state;

  loader #(
    .Rows(Rows), .Cols(Cols), .LineBytes(LineBytes), .AccDepth(AccDepth), .NormRows(NormRows)
  ) u_loader (
    .clk_i, .rst_ni, .start_i, .line_valid_i, .line_i, .line_pop_o, .line_wait_o, .illegal_o,
    .id_o, .live_valid_i, .live_i, .table_write_o, .param_write_o, .param_scale_o, .line_number_o, .idle_i, .word_part_o,
    .word_features_o, .word_residual_o, .word_norm_o, .word_addr_o, .word_bank_o, .norm_free_i,
    .slot_free_i, .gelu_busy_i, .slot_o, .tile_push_o, .tile_o(tile), .read_o, .read_grant_i,
    .read_addr_o, .read_end_o, .read_hazard_i, .load_row_o, .load_col_o, .load_stream_o,
    .load_zero_o, .by_col_o, .load_slice_o, .load_line_o, .item_valid_o, .item_o(item),
    .vector_o(vector), .item_take_i, .block_take_i, .load_state_o(load_state)
  );

  word_collect #(
    .Bytes(2 * Word), .LineBytes(LineBytes)
  ) u_words (
    .clk_i, .write_i(word_part_o), .line_i, .word_o(word_data_o)
  );

  assign vector_o = vector;
  assign {tile_wide_o, tile_gelu_o, tile_empty_o, tile_bank_o, tile_tokens_o, tile_addr_o,
          tile_slice_o} = tile;
  assign {item_kind_o, item_first_o, item_last_o, item_op_last_o, item_normal_o, item_common_o,
          item_wide_o, item_slot_o, item_bank_o, item_id_o, item_tokens_o, item_in_addr_o,
          item_in_slice_o, item_out_first_o, item_out_end_o} = item;

  logic unused;
  assign unused = &load_state;

endmodule
