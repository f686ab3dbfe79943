// Block-sparse systolic array with its memories: runs a program of matrix products from DRAM.
//
//   DRAM -> weight_fetch -> line_split -> loader -> shadow weights
//   activation_memory -> systolic_array -> accumulator -> output_stage -> activation_memory
module blockvit_core
  import core_pkg::*;
#(
  parameter int unsigned Rows       = 16,
  parameter int unsigned Cols       = 16,
  parameter int unsigned AccDepth   = 256,
  parameter int unsigned ActWords   = 131072,
  parameter int unsigned MemBytes   = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter bit          PackDsp    = 1'b0
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     start_i,       /// begin the program
  input  logic [31:0]              prog_base_i,   /// its first byte
  input  logic [31:0]              prog_beats_i,  /// its length in beats of the memory port
  output logic                     done_o,        /// the program has ended
  output logic                     host_req_o,    /// the host's turn, the array is idle
  input  logic                     host_ack_i,
  // AXI4 read port
  output logic                     arvalid_o,
  input  logic                     arready_i,
  output logic [31:0]              araddr_o,
  output logic [7:0]               arlen_o,
  output logic [2:0]               arsize_o,
  output logic [1:0]               arburst_o,
  input  logic                     rvalid_i,
  output logic                     rready_o,
  input  logic [MemBytes*8-1:0]    rdata_i,
  // grants of shared resources; tie to 1 where nothing shares them
  input  logic                     line_grant_i,   /// weight stream to loader
  input  logic                     read_grant_i,   /// tokens from activation memory
  input  logic                     weight_grant_i, /// weights from activation memory
  input  logic                     write_grant_i,  /// results to activation memory
  // per-instruction cycle counts
  output logic                     running_o,
  output logic                     op_done_o,
  output logic [15:0]              op_id_o,
  output logic [CycleKinds*32-1:0] op_counts_o
);

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned Line = MemBytes < Cols ? MemBytes : Cols;
  localparam int unsigned AddrWidth = $clog2(ActWords);
  localparam int unsigned OutSlices = Word / Cols;

  logic                      running_q, program_end;
  logic                      beat_valid, beat_pop, line_valid, line_pop;
  logic [MemBytes*8-1:0]     beat;
  logic [Line*8-1:0]         line, load_line;
  logic                      table_write, param_write, param_scale, slot_free, gelu_busy, tile_push;
  logic [15:0]               line_number;
  logic [1:0]                slot;
  tile_t                     tile, head;
  logic                      b_read, b_hazard, load_stream, load_zero, by_col;
  logic [31:0]               b_addr, b_end;
  logic [Rows-1:0]           load_row;
  logic [Cols-1:0]           load_col;
  logic [6:0]                load_slice, a_slice, a_slice_q;
  logic                      item_valid, item_take;
  item_t                     item;
  load_state_e               load_state;
  logic                      a_read, swap, empty;
  logic [31:0]               a_addr;
  tag_t                      tag_in, tag_out;
  cycle_kind_e               cycle_kind;
  logic [Word*8-1:0]         a_word, b_word;
  logic [Rows*8-1:0]         col_weights, act;
  logic [Cols*8-1:0]         row_weights, write_data;
  logic [Cols*32-1:0]        sums, acc_data, bias;
  logic [Cols*16-1:0]        mult;
  logic [Cols*6-1:0]         shift;
  logic                      tile_done, acc_read, acc_bank, free, head_done, write;
  logic [1:0]                done_slot, head_slot, bias_slot, mult_slot, shift_slot, free_slot;
  logic [15:0]               acc_addr;
  logic [31:0]               write_addr;
  logic [OutSlices-1:0]      write_slices;

  assign arsize_o  = 3'($clog2(MemBytes));
  assign arburst_o = 2'b01;
  assign running_o = running_q;
  assign done_o    = program_end;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) running_q <= 1'b0;
    else if (start_i) running_q <= 1'b1;
    else if (program_end) running_q <= 1'b0;
  end

  weight_fetch #(
    .BeatBytes(MemBytes), .BurstBeats(BurstBeats), .FifoBeats(FifoBeats)
  ) u_fetch (
    .clk_i, .rst_ni, .start_i, .base_i(prog_base_i), .beats_i(prog_beats_i),
    .arvalid_o, .arready_i, .araddr_o, .arlen_o, .rvalid_i, .rready_o, .rdata_i,
    .beat_valid_o(beat_valid), .beat_o(beat), .beat_pop_i(beat_pop)
  );

  line_split #(
    .BeatBytes(MemBytes), .LineBytes(Line)
  ) u_split (
    .clk_i, .rst_ni, .beat_valid_i(beat_valid), .beat_i(beat), .beat_pop_o(beat_pop),
    .line_valid_o(line_valid), .line_o(line), .line_pop_i(line_pop)
  );

  loader #(
    .Rows(Rows), .Cols(Cols), .LineBytes(Line)
  ) u_loader (
    .clk_i, .rst_ni, .line_valid_i(line_valid && line_grant_i), .line_i(line),
    .line_pop_o(line_pop), .table_write_o(table_write), .param_write_o(param_write),
    .param_scale_o(param_scale), .line_number_o(line_number), .slot_free_i(slot_free),
    .gelu_busy_i(gelu_busy), .slot_o(slot), .tile_push_o(tile_push), .tile_o(tile),
    .read_o(b_read), .read_grant_i(weight_grant_i), .read_addr_o(b_addr), .read_end_o(b_end),
    .read_hazard_i(b_hazard), .load_row_o(load_row), .load_col_o(load_col),
    .load_stream_o(load_stream), .load_zero_o(load_zero), .by_col_o(by_col),
    .load_slice_o(load_slice), .load_line_o(load_line), .item_valid_o(item_valid),
    .item_o(item), .item_take_i(item_take), .load_state_o(load_state)
  );

  issue u_issue (
    .clk_i, .rst_ni, .running_i(running_q), .item_valid_i(item_valid), .item_i(item),
    .item_take_o(item_take), .load_state_i(load_state), .read_grant_i, .read_o(a_read),
    .read_addr_o(a_addr), .read_slice_o(a_slice), .tag_o(tag_in), .swap_o(swap),
    .empty_o(empty), .free_i(free), .free_slot_i(free_slot), .range_first_i(b_addr),
    .range_end_i(b_end), .range_hazard_o(b_hazard), .host_req_o, .host_ack_i,
    .end_o(program_end), .op_done_o, .op_id_o, .cycle_kind_o(cycle_kind)
  );

  cycle_counters u_counters (
    .clk_i, .rst_ni, .running_i(running_q), .kind_i(cycle_kind), .op_done_i(op_done_o),
    .counts_o(op_counts_o)
  );

  activation_memory #(
    .Words(ActWords), .WordBytes(Word), .WriteBytes(Cols)
  ) u_memory (
    .clk_i, .a_read_i(a_read), .a_addr_i(a_addr[AddrWidth-1:0]), .a_data_o(a_word),
    .b_read_i(b_read), .b_addr_i(b_addr[AddrWidth-1:0]), .b_data_o(b_word),
    .write_i(write), .write_addr_i(write_addr[AddrWidth-1:0]), .write_slices_i(write_slices),
    .write_data_i(write_data)
  );

  // A weight row comes from the stream, in lines that may be narrower, or from a word.
  always_ff @(posedge clk_i) if (a_read) a_slice_q <= a_slice;
  assign act         = a_word[a_slice_q*Rows*8+:Rows*8];
  assign col_weights = load_zero ? '0 : b_word[load_slice*Rows*8+:Rows*8];
  always_comb begin
    if (load_stream) row_weights = {(Cols / Line) {load_line}};
    else row_weights = load_zero ? '0 : b_word[load_slice*Cols*8+:Cols*8];
  end

  systolic_array #(
    .Rows(Rows), .Cols(Cols), .PackDsp(PackDsp)
  ) u_array (
    .clk_i, .rst_ni, .swap_i(swap), .tag_i(tag_in), .act_i(act), .load_row_i(load_row),
    .load_col_i(load_col), .by_col_i(by_col), .row_i(row_weights), .col_i(col_weights),
    .tag_o(tag_out), .sum_o(sums)
  );

  accumulator #(
    .Cols(Cols), .Depth(AccDepth)
  ) u_accumulator (
    .clk_i, .rst_ni, .tag_i(tag_out), .sum_i(sums), .tile_done_o(tile_done),
    .tile_slot_o(done_slot), .read_i(acc_read), .read_bank_i(acc_bank),
    .read_addr_i(acc_addr[$clog2(AccDepth)-1:0]), .read_data_o(acc_data)
  );

  tile_queue #(
    .Cols(Cols), .LineBytes(Line)
  ) u_tiles (
    .clk_i, .rst_ni, .slot_i(slot), .slot_free_o(slot_free), .gelu_busy_o(gelu_busy),
    .push_i(tile_push), .tile_i(tile), .param_write_i(param_write),
    .param_scale_i(param_scale), .line_number_i(line_number), .line_i(line),
    .done_i(tile_done), .done_slot_i(done_slot), .empty_i(empty), .empty_slot_i(item.slot),
    .free_i(free), .free_slot_i(free_slot), .head_slot_i(head_slot), .head_done_o(head_done),
    .head_o(head), .bias_slot_i(bias_slot), .bias_o(bias), .mult_slot_i(mult_slot),
    .mult_o(mult), .shift_slot_i(shift_slot), .shift_o(shift)
  );

  output_stage #(
    .Cols(Cols), .Slices(OutSlices), .LineBytes(Line)
  ) u_output (
    .clk_i, .rst_ni, .head_slot_o(head_slot), .head_done_i(head_done), .head_i(head),
    .bias_slot_o(bias_slot), .bias_i(bias), .mult_slot_o(mult_slot), .mult_i(mult),
    .shift_slot_o(shift_slot), .shift_i(shift), .free_o(free), .free_slot_o(free_slot),
    .table_write_i(table_write), .line_number_i(line_number), .line_i(line),
    .acc_read_o(acc_read), .acc_bank_o(acc_bank), .acc_addr_o(acc_addr), .acc_data_i(acc_data),
    .write_grant_i, .write_o(write), .write_addr_o(write_addr), .write_slices_o(write_slices),
    .write_data_o(write_data)
  );

  logic unused;
  assign unused = &{a_addr[31:AddrWidth], b_addr[31:AddrWidth], write_addr[31:AddrWidth],
                    acc_addr[15:$clog2(AccDepth)]};

endmodule
