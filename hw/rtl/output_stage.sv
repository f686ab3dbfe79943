// Takes finished output tiles out of the accumulators, token by token, requantizes them, passes
// them through the GELU table where asked, and writes them: int8 results to the features memory,
// int16 results, or what the table gives, to the sums memory, a token a cycle.
module output_stage
  import core_pkg::*;
#(
  parameter int unsigned Cols      = 16,
  parameter int unsigned Slices    = 1,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // tile queue
  output logic [1:0]             head_slot_o,
  input  logic                   head_done_i,
  input  tile_t                  head_i,
  output logic [1:0]             bias_slot_o,
  input  logic [Cols*32-1:0]     bias_i,
  output logic [1:0]             mult_slot_o,
  input  logic [Cols*16-1:0]     mult_i,
  output logic [1:0]             shift_slot_o,
  input  logic [Cols*6-1:0]      shift_i,
  output logic                   free_o,
  output logic [1:0]             free_slot_o,
  // GELU table
  input  logic                   table_write_i,
  input  logic [15:0]            line_number_i,
  input  logic [LineBytes*8-1:0] line_i,
  // accumulators
  output logic                   acc_read_o,
  output logic                   acc_bank_o,
  output logic [15:0]            acc_addr_o,
  input  logic [Cols*32-1:0]     acc_data_i,
  // features and sums memory
  input  logic                   write_grant_i,
  output logic                   write_o,        /// to one of them
  output logic                   write_wide_o,   /// to the sums
  output logic [31:0]            write_addr_o,
  output logic [Slices-1:0]      write_slices_o,
  output logic [Cols*16-1:0]     write_data_o    /// int16, or int8 in the low half of each
);

  localparam int unsigned LineLog = $clog2(LineBytes);
  localparam int unsigned LineIndexBits = 8 - LineLog;
  localparam int unsigned Stages = 6;  // from the accumulators' read to the write

  typedef struct packed {
    logic        valid;
    logic        last;
    logic        wide;
    logic        gelu;
    logic        empty;
    logic [1:0]  slot;
    logic [6:0]  slice;
    logic [31:0] addr;
  } step_t;

  logic [1:0]         slot_q;
  logic               active_q, step, tile_end, start;
  logic [15:0]        token_q;
  tile_t              tile_q;
  step_t              step_d;
  step_t              step_q[Stages];
  logic [Cols*16-1:0] result;
  logic [Cols*8-1:0]  looked_up;
  (* ram_style = "distributed" *) logic [LineBytes*8-1:0] table_mem[256/LineBytes];

  // Walk through the tokens of finished tiles, in order.
  assign step     = active_q && write_grant_i;
  assign tile_end = step && token_q + 16'd1 == tile_q.tokens;
  assign start    = (!active_q || tile_end) && head_done_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      slot_q   <= '0;
      active_q <= 1'b0;
      token_q  <= '0;
    end else begin
      if (start) active_q <= 1'b1;
      else if (tile_end) active_q <= 1'b0;
      if (start) slot_q <= slot_q + 2'd1;
      if (tile_end) token_q <= '0;
      else if (step) token_q <= token_q + 16'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start) tile_q <= head_i;
  end

  // `slot_q` is the next tile to start; the one at work is the one before it.
  assign head_slot_o = slot_q;
  assign acc_read_o  = step;
  assign acc_bank_o  = tile_q.bank;
  assign acc_addr_o  = token_q;

  always_comb begin
    step_d.valid = step;
    step_d.last  = tile_end;
    step_d.wide  = tile_q.wide;
    step_d.gelu  = tile_q.gelu;
    step_d.empty = tile_q.empty;
    step_d.slot  = slot_q - 2'd1;
    step_d.slice = tile_q.slice;
    step_d.addr  = tile_q.addr + 32'(token_q);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      for (int s = 0; s < Stages; s++) step_q[s] <= '0;
    end else begin
      step_q[0] <= step_d;
      for (int s = 1; s < Stages; s++) step_q[s] <= step_q[s-1];
    end
  end

  assign bias_slot_o  = step_q[0].slot;
  assign mult_slot_o  = step_q[1].slot;
  assign shift_slot_o = step_q[2].slot;

  for (genvar c = 0; c < Cols; c++) begin : g_lane
    requantize u_requantize (
      .clk_i,
      .enable_bias_i (step_q[0].valid),
      .enable_mult_i (step_q[1].valid),
      .enable_round_i(step_q[2].valid),
      .enable_shift_i(step_q[3].valid),
      .acc_i         (step_q[0].empty ? 32'd0 : acc_data_i[c*32+:32]),
      .bias_i        (bias_i[c*32+:32]),
      .mult_i        (mult_i[c*16+:16]),
      .shift_i       (shift_i[c*6+:6]),
      .wide_i        (step_q[3].wide && !step_q[3].gelu),
      .result_o      (result[c*16+:16])
    );
  end

  // The table is indexed by the int8 value plus 128: a line of it, then a byte of the line.
  always_ff @(posedge clk_i) begin
    if (table_write_i) table_mem[line_number_i[LineIndexBits-1:0]] <= line_i;
  end

  for (genvar c = 0; c < Cols; c++) begin : g_lookup
    logic [7:0]             index;
    logic [LineBytes*8-1:0] entries;
    assign index = {~result[c*16+7], result[c*16+:7]};
    assign entries = table_mem[index[7-:LineIndexBits]];
    assign looked_up[c*8+:8] = entries[index[LineLog-1:0]*8+:8];
  end

  always_ff @(posedge clk_i) begin
    if (step_q[4].valid) begin
      for (int c = 0; c < Cols; c++) begin
        write_data_o[c*16+:16] <= result[c*16+:16];
        if (step_q[4].gelu) write_data_o[c*16+:16] <= 16'($signed(looked_up[c*8+:8]));
      end
    end
  end

  assign write_o      = step_q[5].valid;
  assign write_wide_o = step_q[5].wide;
  assign write_addr_o = step_q[5].addr;
  assign free_o       = step_q[5].valid && step_q[5].last;
  assign free_slot_o  = step_q[5].slot;

  always_comb begin
    for (int s = 0; s < Slices; s++) write_slices_o[s] = step_q[5].slice == 7'(s);
  end

  logic unused;
  assign unused = &{step_q[5].gelu, step_q[5].empty, line_number_i};

endmodule
