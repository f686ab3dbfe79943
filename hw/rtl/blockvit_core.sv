// Block-sparse systolic array and vector unit with their memories: runs a network, image to logits.
//
//   DRAM -> stream_fetch -> line_split -> loader -> shadow weights, instructions
//   features, normal -> systolic_array -> accumulator -> output_stage -> features, sums
//   sums, residual -> vector_unit -> normal, residual, axi_store -> DRAM
module blockvit_core
  import core_pkg::*;
  import blockvit_pkg::*;
#(
  parameter int unsigned Rows       = 16,
  parameter int unsigned Cols       = 16,
  parameter int unsigned Lanes      = 16,
  parameter int unsigned AccDepth   = 256,
  parameter int unsigned ActWords   = 65536,  // of the features and of the normal memory
  parameter int unsigned WideWords  = 32768,  // of the sums and of the residual
  parameter int unsigned NormRows   = 128,
  parameter int unsigned MemBytes   = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter int unsigned Timeout    = 65536,
  parameter bit          PackDsp    = 1'b0,
  parameter bit          Selectors  = 1'b1    // token selectors, else their instructions are illegal
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     start_i,       /// begin: image, then program
  input  logic [31:0]              image_base_i,  /// first byte of the image record
  input  logic [31:0]              image_beats_i, /// its length in beats, whole bursts
  input  logic [31:0]              prog_base_i,   /// first byte of the program
  input  logic [31:0]              prog_beats_i,  /// its length
  output logic                     done_o,        /// the program has ended, or failed
  output logic [7:0]               error_o,       /// 0, or why it failed
  output logic [15:0]              error_id_o,    /// the instruction that was being loaded then
  // AXI4
  output logic                     arvalid_o,
  input  logic                     arready_i,
  output logic [31:0]              araddr_o,
  output logic [7:0]               arlen_o,
  output logic [2:0]               arsize_o,
  output logic [1:0]               arburst_o,
  input  logic                     rvalid_i,
  output logic                     rready_o,
  input  logic [MemBytes*8-1:0]    rdata_i,
  input  logic [1:0]               rresp_i,
  input  logic                     rlast_i,
  output logic                     awvalid_o,
  input  logic                     awready_i,
  output logic [31:0]              awaddr_o,
  output logic [7:0]               awlen_o,
  output logic [2:0]               awsize_o,
  output logic [1:0]               awburst_o,
  output logic                     wvalid_o,
  input  logic                     wready_i,
  output logic [MemBytes*8-1:0]    wdata_o,
  output logic [MemBytes-1:0]      wstrb_o,
  output logic                     wlast_o,
  input  logic                     bvalid_i,
  output logic                     bready_o,
  input  logic [1:0]               bresp_i,
  // grants of shared resources; tie to 1 where nothing shares them
  input  logic                     line_grant_i,   /// program stream to loader
  input  logic                     read_grant_i,   /// tokens into the array
  input  logic                     weight_grant_i, /// weights from the features memory
  input  logic                     write_grant_i,  /// results of the array
  input  logic                     vector_grant_i, /// steps of the vector unit
  // cycle counts of the instruction that ends, one of the array and one of the vector unit
  output logic                     running_o,
  output logic                     op_done_o,
  output logic [15:0]              op_id_o,
  output logic [CycleKinds*32-1:0] op_counts_o,
  output logic                     vector_done_o,
  output logic [15:0]              vector_id_o,
  output logic [CycleKinds*32-1:0] vector_counts_o
);

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned Line = MemBytes < Cols ? MemBytes : Cols;
  localparam int unsigned ActBits = $clog2(ActWords);
  localparam int unsigned WideBits = $clog2(WideWords);
  localparam int unsigned OutSlices = Word / Cols;
  localparam int unsigned LaneSlices = Word / Lanes;
  localparam int unsigned StoreBytes = 2 * Word > MemBytes ? 2 * Word : MemBytes;

  logic                      running_q, program_end, failed, finished;
  logic                      beat_valid, beat_pop, line_valid, line_pop, line_wait, exhausted;
  logic                      read_error, read_silent, store_error, store_silent, illegal, outside;
  logic [MemBytes*8-1:0]     beat;
  logic [Line*8-1:0]         line, load_line;
  logic [15:0]               load_id;
  logic                      table_write, param_write, param_scale, slot_free, gelu_busy, tile_push;
  logic                      word_part, word_features, word_residual, word_norm, norm_free;
  logic [31:0]               word_addr;
  logic [1:0]                word_bank;
  logic [2*Word*8-1:0]       word_data;
  logic [15:0]               line_number;
  logic [1:0]                slot;
  tile_t                     tile, head;
  logic                      b_read, b_grant, b_hazard, load_stream, load_zero, by_col;
  logic [31:0]               b_addr, b_end;
  logic [Rows-1:0]           load_row;
  logic [Cols-1:0]           load_col;
  logic [6:0]                load_slice, a_slice, a_slice_q;
  logic                      item_valid, item_take, block_take;
  item_t                     item;
  vector_t                   vector;
  load_state_e               load_state;
  logic                      a_read, a_normal, a_normal_q, swap, empty, array_idle;
  logic [31:0]               a_addr, in_end;
  tag_t                      tag_in, tag_out;
  cycle_kind_e               cycle_kind;
  logic                      to_vector;
  logic [Word*8-1:0]         a_features, a_word, normal_word, b_word, features_data, normal_data;
  logic [Rows*8-1:0]         col_weights, act;
  logic [Cols*8-1:0]         row_weights;
  logic [Cols*16-1:0]        write_data;
  logic [Cols*32-1:0]        sums, acc_data, bias;
  logic [Cols*16-1:0]        mult;
  logic [Cols*6-1:0]         shift;
  logic                      tile_done, acc_read, acc_bank, free, head_done, write, write_wide;
  logic [1:0]                done_slot, head_slot, bias_slot, mult_slot, shift_slot, free_slot;
  logic [15:0]               acc_addr;
  logic [31:0]               write_addr, features_addr;
  logic [OutSlices-1:0]      write_slices;
  logic                      vector_ready, vector_push, vector_busy, vector_steps, vector_writes;
  logic                      vector_drops, live_valid;
  logic [15:0]               live;
  logic                      vector_reads, sums_hazard, normal_hazard, sums_read, residual_read;
  logic                      normal_write, residual_write;
  logic [31:0]               sums_first, sums_end, normal_first, normal_end, sums_addr;
  logic [31:0]               residual_addr, vector_addr, store_addr;
  logic [Word*16-1:0]        sums_word, residual_word, sums_data, residual_data, store_word;
  logic [LaneSlices-1:0]     vector_slices;
  logic [Lanes*16-1:0]       vector_data;
  logic                      store_valid, store_ready, store_busy;

  assign arsize_o  = 3'($clog2(MemBytes));
  assign arburst_o = 2'b01;
  assign awsize_o  = 3'($clog2(MemBytes));
  assign awburst_o = 2'b01;
  assign running_o = running_q;
  assign finished  = program_end || failed;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      running_q <= 1'b0;
      done_o    <= 1'b0;
    end else if (start_i) begin
      running_q <= 1'b1;
      done_o    <= 1'b0;
    end else if (running_q && finished) begin
      running_q <= 1'b0;
      done_o    <= 1'b1;
    end
  end

  // Errors
  error_register #(
    .Timeout(Timeout)
  ) u_error (
    .clk_i, .rst_ni, .running_i(running_q), .illegal_i(illegal), .outside_i(outside),
    .bus_i(read_error || store_error), .silent_i(read_silent || store_silent),
    .cut_i(exhausted && line_wait),
    .progress_i(line_pop || item_take || a_read || write || (store_valid && store_ready)
                || (vector_busy && vector_steps)),
    .id_i(load_id), .failed_o(failed), .error_o, .error_id_o
  );

  memory_check #(
    .Ports(8)
  ) u_check (
    .access_i ({a_read, b_read, write, word_features, word_residual, sums_read, residual_read,
                normal_write || residual_write}),
    .addr_i   ({a_addr, b_addr, write_addr, word_addr, word_addr, sums_addr, residual_addr,
                vector_addr}),
    .words_i  ({ActWords, ActWords, write_wide ? WideWords : ActWords, ActWords, WideWords,
                WideWords, WideWords, normal_write ? ActWords : WideWords}),
    .outside_o(outside)
  );

  // Program stream
  stream_fetch #(
    .BeatBytes(MemBytes), .BurstBeats(BurstBeats), .FifoBeats(FifoBeats), .Timeout(Timeout)
  ) u_fetch (
    .clk_i, .rst_ni, .start_i, .stop_i(done_o), .first_base_i(image_base_i),
    .first_beats_i(image_beats_i), .base_i(prog_base_i), .beats_i(prog_beats_i), .arvalid_o,
    .arready_i, .araddr_o, .arlen_o, .rvalid_i, .rready_o, .rdata_i, .rresp_i, .rlast_i,
    .beat_valid_o(beat_valid), .beat_o(beat), .beat_pop_i(beat_pop), .exhausted_o(exhausted),
    .bus_error_o(read_error), .silent_o(read_silent)
  );

  line_split #(
    .BeatBytes(MemBytes), .LineBytes(Line)
  ) u_split (
    .clk_i, .rst_ni, .beat_valid_i(beat_valid), .beat_i(beat), .beat_pop_o(beat_pop),
    .line_valid_o(line_valid), .line_o(line), .line_pop_i(line_pop)
  );

  loader #(
    .Rows(Rows), .Cols(Cols), .LineBytes(Line), .AccDepth(AccDepth), .NormRows(NormRows),
    .Selectors(Selectors)
  ) u_loader (
    .clk_i, .rst_ni, .start_i, .line_valid_i(line_valid && line_grant_i && running_q), .line_i(line),
    .line_pop_o(line_pop), .line_wait_o(line_wait), .illegal_o(illegal), .id_o(load_id),
    .live_valid_i(live_valid), .live_i(live),
    .table_write_o(table_write), .param_write_o(param_write), .param_scale_o(param_scale),
    .line_number_o(line_number), .idle_i(array_idle && !vector_busy), .word_part_o(word_part),
    .word_features_o(word_features), .word_residual_o(word_residual), .word_norm_o(word_norm),
    .word_addr_o(word_addr), .word_bank_o(word_bank), .norm_free_i(norm_free),
    .slot_free_i(slot_free), .gelu_busy_i(gelu_busy), .slot_o(slot), .tile_push_o(tile_push),
    .tile_o(tile), .read_o(b_read), .read_grant_i(weight_grant_i && b_grant),
    .read_addr_o(b_addr), .read_end_o(b_end), .read_hazard_i(b_hazard), .load_row_o(load_row),
    .load_col_o(load_col), .load_stream_o(load_stream), .load_zero_o(load_zero), .by_col_o(by_col),
    .load_slice_o(load_slice), .load_line_o(load_line), .item_valid_o(item_valid), .item_o(item),
    .vector_o(vector), .item_take_i(item_take), .block_take_i(block_take),
    .load_state_o(load_state)
  );

  word_collect #(
    .Bytes(2 * Word), .LineBytes(Line)
  ) u_words (
    .clk_i, .write_i(word_part), .line_i(line), .word_o(word_data)
  );

  issue u_issue (
    .clk_i, .rst_ni, .running_i(running_q), .item_valid_i(item_valid), .item_i(item),
    .item_take_o(item_take), .block_take_o(block_take), .load_state_i(load_state), .read_grant_i,
    .read_o(a_read), .read_normal_o(a_normal), .read_addr_o(a_addr), .read_slice_o(a_slice),
    .tag_o(tag_in), .swap_o(swap), .empty_o(empty), .free_i(free), .free_slot_i(free_slot),
    .range_first_i(b_addr), .range_end_i(b_end), .range_hazard_o(b_hazard),
    .vector_ready_i(vector_ready), .vector_push_o(vector_push), .vector_busy_i(vector_busy),
    .vector_steps_i(vector_steps), .vector_drops_i(vector_drops), .in_end_o(in_end), .vector_writes_i(vector_writes),
    .vector_reads_i(vector_reads), .sums_first_i(sums_first), .sums_end_i(sums_end),
    .sums_hazard_o(sums_hazard), .normal_first_i(normal_first), .normal_end_i(normal_end),
    .normal_hazard_o(normal_hazard), .idle_o(array_idle), .end_o(program_end), .op_done_o,
    .op_id_o, .cycle_kind_o(cycle_kind), .to_vector_o(to_vector)
  );

  cycle_counters u_counters (
    .clk_i, .rst_ni, .running_i(running_q && !to_vector), .kind_i(cycle_kind),
    .op_done_i(op_done_o), .counts_o(op_counts_o)
  );
  cycle_counters u_vector_counters (
    .clk_i, .rst_ni, .running_i(running_q && to_vector), .kind_i(cycle_kind),
    .op_done_i(vector_done_o), .counts_o(vector_counts_o)
  );

  // Memories
  assign features_addr = word_features ? word_addr : write_addr;
  always_comb begin
    features_data = {OutSlices{narrow(write_data)}};
    if (word_features) features_data = word_data[Word*8+:Word*8];
  end

  // int8 results out of int16 lanes
  function automatic logic [Cols*8-1:0] narrow(input logic [Cols*16-1:0] lanes);
    for (int c = 0; c < Cols; c++) narrow[c*8+:8] = lanes[c*16+:8];
  endfunction

  feature_memory #(
    .Words(ActWords), .WordBytes(Word), .Slices(OutSlices)
  ) u_features (
    .clk_i, .a_read_i(a_read && !a_normal), .a_addr_i(a_addr[ActBits-1:0]), .a_data_o(a_features),
    .b_read_i(b_read), .b_addr_i(b_addr[ActBits-1:0]), .b_grant_o(b_grant), .b_data_o(b_word),
    .write_i((write && !write_wide) || word_features), .write_addr_i(features_addr[ActBits-1:0]),
    .write_slices_i(word_features ? '1 : write_slices), .write_data_i(features_data)
  );

  always_comb begin
    for (int l = 0; l < Word; l++) normal_data[l*8+:8] = vector_data[(l%Lanes)*16+:8];
  end
  activation_memory #(
    .Words(ActWords), .WordBytes(Word), .Slices(LaneSlices)
  ) u_normal (
    .clk_i, .read_i(a_read && a_normal), .read_addr_i(a_addr[ActBits-1:0]),
    .read_data_o(normal_word), .write_i(normal_write), .write_addr_i(vector_addr[ActBits-1:0]),
    .write_slices_i(vector_slices), .write_data_i(normal_data)
  );

  assign sums_data = {OutSlices{write_data}};
  activation_memory #(
    .Words(WideWords), .WordBytes(2 * Word), .Slices(OutSlices)
  ) u_sums (
    .clk_i, .read_i(sums_read), .read_addr_i(sums_addr[WideBits-1:0]), .read_data_o(sums_word),
    .write_i(write && write_wide), .write_addr_i(write_addr[WideBits-1:0]),
    .write_slices_i(write_slices), .write_data_i(sums_data)
  );

  assign residual_data = word_residual ? word_data : {LaneSlices{vector_data}};
  activation_memory #(
    .Words(WideWords), .WordBytes(2 * Word), .Slices(LaneSlices)
  ) u_residual (
    .clk_i, .read_i(residual_read), .read_addr_i(residual_addr[WideBits-1:0]),
    .read_data_o(residual_word), .write_i(residual_write || word_residual),
    .write_addr_i(word_residual ? word_addr[WideBits-1:0] : vector_addr[WideBits-1:0]),
    .write_slices_i(word_residual ? '1 : vector_slices), .write_data_i(residual_data)
  );

  // A weight row comes from the stream, in lines that may be narrower, or from a word.
  always_ff @(posedge clk_i) begin
    if (a_read) begin
      a_slice_q  <= a_slice;
      a_normal_q <= a_normal;
    end
  end
  assign a_word      = a_normal_q ? normal_word : a_features;
  assign act         = a_word[a_slice_q*Rows*8+:Rows*8];
  assign col_weights = load_zero ? '0 : b_word[load_slice*Rows*8+:Rows*8];
  always_comb begin
    if (load_stream) row_weights = {(Cols / Line) {load_line}};
    else row_weights = load_zero ? '0 : b_word[load_slice*Cols*8+:Cols*8];
  end

  // Array
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
    .write_grant_i, .write_o(write), .write_wide_o(write_wide), .write_addr_o(write_addr),
    .write_slices_o(write_slices), .write_data_o(write_data)
  );

  // Vector unit
  vector_unit #(
    .Word(Word), .Lanes(Lanes), .Tokens(AccDepth), .NormRows(NormRows), .StoreBytes(StoreBytes),
    .Selectors(Selectors)
  ) u_vector (
    .clk_i, .rst_ni, .start_i, .ready_o(vector_ready), .push_i(vector_push), .vector_i(vector),
    .busy_o(vector_busy), .steps_o(vector_steps), .done_o(vector_done_o), .id_o(vector_id_o),
    .norm_free_o(norm_free), .drops_o(vector_drops), .live_valid_o(live_valid), .live_o(live),
    .grant_i(vector_grant_i), .normal_read_i(item.normal),
    .read_first_i(item.in_addr), .read_end_i(in_end), .writes_o(vector_writes),
    .sums_write_i(item.wide), .write_first_i(item.out_first), .write_end_i(item.out_end),
    .reads_o(vector_reads), .sums_first_o(sums_first), .sums_end_o(sums_end),
    .sums_hazard_i(sums_hazard), .normal_first_o(normal_first), .normal_end_o(normal_end),
    .normal_hazard_i(normal_hazard), .norm_write_i(word_norm), .norm_addr_i(word_addr),
    .norm_bank_i(word_bank), .norm_data_i(word_data), .sums_read_o(sums_read),
    .sums_addr_o(sums_addr), .sums_data_i(sums_word), .residual_read_o(residual_read),
    .residual_addr_o(residual_addr), .residual_data_i(residual_word),
    .normal_write_o(normal_write), .residual_write_o(residual_write),
    .write_addr_o(vector_addr), .write_slices_o(vector_slices), .write_data_o(vector_data),
    .store_valid_o(store_valid), .store_ready_i(store_ready), .store_addr_o(store_addr),
    .store_data_o(store_word), .store_busy_i(store_busy)
  );

  axi_store #(
    .BeatBytes(MemBytes), .WordBytes(2 * Word), .Timeout(Timeout)
  ) u_store (
    .clk_i, .rst_ni, .start_i, .stop_i(done_o), .word_valid_i(store_valid),
    .word_ready_o(store_ready), .word_i(store_word), .addr_i(store_addr), .awvalid_o, .awready_i,
    .awaddr_o, .awlen_o, .wvalid_o, .wready_i, .wdata_o, .wstrb_o, .wlast_o, .bvalid_i, .bready_o,
    .bresp_i, .busy_o(store_busy), .bus_error_o(store_error), .silent_o(store_silent)
  );

  logic unused;
  assign unused = &{a_addr[31:ActBits], b_addr[31:ActBits], features_addr[31:ActBits],
                    acc_addr[15:$clog2(AccDepth)], sums_addr[31:WideBits],
                    residual_addr[31:WideBits]};

endmodule
