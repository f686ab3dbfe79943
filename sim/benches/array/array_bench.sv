// The systolic array with its tags as plain ports.
module array_bench
  import core_pkg::*;
#(
  parameter int unsigned Rows    = 16,
  parameter int unsigned Cols    = 16,
  parameter bit          PackDsp = 1'b0  // two products in a multiplier
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               swap_i,
  input  logic               tag_valid_i,
  input  logic               tag_first_i,
  input  logic               tag_last_i,
  input  logic               tag_last_token_i,
  input  logic [1:0]         tag_slot_i,
  input  logic [Rows*8-1:0]  act_i,
  input  logic [Rows-1:0]    load_row_i,
  input  logic [Cols-1:0]    load_col_i,
  input  logic               by_col_i,
  input  logic [Cols*8-1:0]  row_i,
  input  logic [Rows*8-1:0]  col_i,
  output logic               tag_valid_o,
  output logic               tag_first_o,
  output logic               tag_last_o,
  output logic               tag_last_token_o,
  output logic [1:0]         tag_slot_o,
  output logic [Cols*32-1:0] sum_o
);

  tag_t tag_in, tag_out;

  assign tag_in = '{
    valid: tag_valid_i, first: tag_first_i, last: tag_last_i, last_token: tag_last_token_i,
    slot: tag_slot_i, bank: tag_slot_i[0]
  };
  assign tag_valid_o      = tag_out.valid;
  assign tag_first_o      = tag_out.first;
  assign tag_last_o       = tag_out.last;
  assign tag_last_token_o = tag_out.last_token;
  assign tag_slot_o       = tag_out.slot;

  systolic_array #(
    .Rows(Rows), .Cols(Cols), .PackDsp(PackDsp)
  ) u_array (
    .clk_i, .rst_ni, .swap_i, .tag_i(tag_in), .act_i, .load_row_i, .load_col_i, .by_col_i, .row_i,
    .col_i, .tag_o(tag_out), .sum_o
  );

  logic unused;
  assign unused = &tag_out;

endmodule
