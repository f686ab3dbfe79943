// The vector unit with its instruction as a plain port.
module vector_bench
  import blockvit_pkg::*;
#(
  parameter int unsigned Word       = 16,
  parameter int unsigned Lanes      = 16,
  parameter int unsigned Tokens     = 256,
  parameter int unsigned NormRows   = 128,
  parameter int unsigned StoreBytes = 32
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,
  output logic                  ready_o,
  input  logic                  push_i,
  input  logic [255:0]          vector_i,
  output logic                  busy_o,
  output logic                  steps_o,
  output logic                  done_o,
  output logic [15:0]           id_o,
  output logic                  norm_free_o,
  output logic                  drops_o,
  output logic                  live_valid_o,
  output logic [15:0]           live_o,
  input  logic                  grant_i,
  input  logic                  normal_read_i,
  input  logic [31:0]           read_first_i,
  input  logic [31:0]           read_end_i,
  output logic                  writes_o,
  input  logic                  sums_write_i,
  input  logic [31:0]           write_first_i,
  input  logic [31:0]           write_end_i,
  output logic                  reads_o,
  output logic [31:0]           sums_first_o,
  output logic [31:0]           sums_end_o,
  input  logic                  sums_hazard_i,
  output logic [31:0]           normal_first_o,
  output logic [31:0]           normal_end_o,
  input  logic                  normal_hazard_i,
  input  logic                  norm_write_i,
  input  logic [31:0]           norm_addr_i,
  input  logic [1:0]            norm_bank_i,
  input  logic [Word*16-1:0]    norm_data_i,
  output logic                  sums_read_o,
  output logic [31:0]           sums_addr_o,
  input  logic [Word*16-1:0]    sums_data_i,
  output logic                  residual_read_o,
  output logic [31:0]           residual_addr_o,
  input  logic [Word*16-1:0]    residual_data_i,
  output logic                  normal_write_o,
  output logic                  residual_write_o,
  output logic [31:0]           write_addr_o,
  output logic [Word/Lanes-1:0] write_slices_o,
  output logic [Lanes*16-1:0]   write_data_o,
  output logic                  store_valid_o,
  input  logic                  store_ready_i,
  output logic [31:0]           store_addr_o,
  output logic [Word*16-1:0]    store_data_o,
  input  logic                  store_busy_i
);

  vector_unit #(
    .Word(Word), .Lanes(Lanes), .Tokens(Tokens), .NormRows(NormRows), .StoreBytes(StoreBytes)
  ) u_vector (
    .clk_i, .rst_ni, .start_i, .ready_o, .push_i, .vector_i(vector_t'(vector_i)), .busy_o, .steps_o, .done_o,
    .id_o, .norm_free_o, .drops_o, .live_valid_o, .live_o, .grant_i, .normal_read_i, .read_first_i, .read_end_i, .writes_o,
    .sums_write_i, .write_first_i, .write_end_i, .reads_o, .sums_first_o, .sums_end_o,
    .sums_hazard_i, .normal_first_o, .normal_end_o, .normal_hazard_i, .norm_write_i, .norm_addr_i,
    .norm_bank_i, .norm_data_i, .sums_read_o, .sums_addr_o, .sums_data_i, .residual_read_o,
    .residual_addr_o, .residual_data_i, .normal_write_o, .residual_write_o, .write_addr_o,
    .write_slices_o, .write_data_o, .store_valid_o, .store_ready_i, .store_addr_o, .store_data_o,
    .store_busy_i
  );

endmodule
