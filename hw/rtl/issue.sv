// Starts what the loader prepared, in program order: weight blocks on the array, vector instructions
// on the vector unit, which runs beside it.
//
// A block starts when its weights are in the shadow registers, the accumulator bank of its output
// tile is free, and nothing that it reads, and nothing that stands where its tile's results go, is
// still in the hands of an earlier instruction. The next block starts in the cycle after the last
// token of this one, or, as the accumulators take two cycles to add to a token, a cycle later if that
// was its only one. Every cycle is classified once, and counts for an instruction of the array or for
// the vector instruction that the array waits for.
module issue
  import core_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        running_i,
  // items
  input  logic        item_valid_i,
  input  item_t       item_i,
  output logic        item_take_o,
  output logic        block_take_o,    /// the item taken is a block
  input  load_state_e load_state_i,
  // tokens into the array
  input  logic        read_grant_i,
  output logic        read_o,
  output logic        read_normal_o,   /// from the normal memory, else from the features
  output logic [31:0] read_addr_o,
  output logic [6:0]  read_slice_o,
  output tag_t        tag_o,
  output logic        swap_o,
  // results
  output logic        empty_o,         /// an empty tile takes its place in the output order
  input  logic        free_i,          /// the last result of a tile is being written
  input  logic [1:0]  free_slot_i,
  // hazard check for activations that serve as weights
  input  logic [31:0] range_first_i,
  input  logic [31:0] range_end_i,
  output logic        range_hazard_o,
  // vector unit
  input  logic        vector_ready_i,  /// it can take an instruction
  output logic        vector_push_o,
  input  logic        vector_busy_i,   /// it has one
  input  logic        vector_steps_i,  /// it is at work, else it waits for the array
  input  logic        vector_drops_i,  /// it is at work for a selector
  output logic [31:0] in_end_o,        /// end of the words that the item's tokens come from
  input  logic        vector_writes_i, /// some of these are still to be written by it
  input  logic        vector_reads_i,  /// it has yet to read some of the item's result words
  input  logic [31:0] sums_first_i,    /// words of the sums that it wants to read
  input  logic [31:0] sums_end_i,
  output logic        sums_hazard_o,   /// some are still to be written
  input  logic [31:0] normal_first_i,  /// words of the normal memory that it wants to write
  input  logic [31:0] normal_end_i,
  output logic        normal_hazard_o, /// the array is reading some
  // program
  output logic        idle_o,          /// nothing is under way in the array
  output logic        end_o,
  output logic        op_done_o,       /// this is the last cycle of instruction `op_id_o`
  output logic [15:0] op_id_o,
  output cycle_kind_e cycle_kind_o,
  output logic        to_vector_o      /// the cycle counts for the vector instruction
);

  logic        now_first_q, now_last_q, op_last_q, now_normal_q, now_common_q;
  logic [1:0]  now_slot_q;
  logic        now_bank_q;
  logic [15:0] now_id_q, now_tokens_q;
  logic [31:0] now_addr_q, now_end;
  logic [6:0]  now_slice_q;
  logic        streaming_q, filling_q, swap_q;
  logic [15:0] token_q;
  logic [3:0]  pending_q;        // output tiles whose results are not all written, by slot
  logic [3:0]  wide_q;           // those of them that go to the sums
  logic [3:0]  in_bank_q[2];     // those of them that hold a bank
  logic [31:0] first_q[4];
  logic [31:0] end_q[4];
  logic        last_token, idle, bank_busy, features_hazard, take_block, take_empty, take_first;
  logic        on_vector;

  // Words [first, last) overlap results of a tile in flight.
  function automatic logic overlaps(
    input logic wide, input logic [31:0] first, input logic [31:0] last
  );
    overlaps = 1'b0;
    for (int s = 0; s < 4; s++) begin
      if (pending_q[s] && wide_q[s] == wide && first < end_q[s] && first_q[s] < last) begin
        overlaps = 1'b1;
      end
    end
  endfunction

  assign in_end_o = item_i.in_addr + (item_i.common ? 32'd1 : 32'(item_i.tokens));
  assign now_end  = now_addr_q + (now_common_q ? 32'd1 : 32'(now_tokens_q));
  always_comb begin
    features_hazard = !item_i.normal && overlaps(1'b0, item_i.in_addr, in_end_o);
    range_hazard_o  = overlaps(1'b0, range_first_i, range_end_i);
    sums_hazard_o   = overlaps(1'b1, sums_first_i, sums_end_i);
    normal_hazard_o = streaming_q && now_normal_q && normal_first_i < now_end
                      && now_addr_q < normal_end_i;
  end

  assign read_o        = streaming_q && read_grant_i;
  assign read_normal_o = now_normal_q;
  assign read_addr_o   = now_addr_q + (now_common_q ? 32'd0 : 32'(token_q));
  assign read_slice_o  = now_slice_q;
  assign last_token    = read_o && token_q + 16'd1 == now_tokens_q;
  assign tag_o = '{
    valid: read_o, first: now_first_q, last: now_last_q, last_token: last_token, slot: now_slot_q,
    bank: now_bank_q
  };
  assign swap_o = swap_q;

  // A vector instruction is in the way of a block, of an empty tile, or of the end.
  always_comb begin
    unique case (item_i.kind)
      ItemBlock:  on_vector = vector_writes_i || (item_i.first && vector_reads_i);
      ItemEmpty:  on_vector = vector_reads_i;
      ItemVector: on_vector = !vector_ready_i;
      default:    on_vector = vector_busy_i;
    endcase
  end

  assign bank_busy  = item_i.first && |in_bank_q[item_i.bank];
  assign idle       = item_valid_i && !streaming_q;
  assign idle_o     = !streaming_q && pending_q == '0;
  assign take_block = item_valid_i && item_i.kind == ItemBlock
                      && (!streaming_q || (last_token && token_q != '0))
                      && !bank_busy && !features_hazard && !on_vector;
  assign take_empty = idle && item_i.kind == ItemEmpty && !on_vector;
  assign end_o      = idle && item_i.kind == ItemEnd && !on_vector && pending_q == '0;
  assign take_first = (take_block || take_empty) && item_i.first;

  assign vector_push_o = item_valid_i && item_i.kind == ItemVector && !on_vector;
  assign block_take_o  = take_block;
  assign item_take_o   = take_block || take_empty || vector_push_o || end_o;
  assign empty_o       = take_empty;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      streaming_q <= 1'b0;
      filling_q   <= 1'b1;
      swap_q      <= 1'b0;
      token_q     <= '0;
      pending_q   <= '0;
      wide_q      <= '0;
      for (int b = 0; b < 2; b++) in_bank_q[b] <= '0;
    end else begin
      swap_q <= take_block;
      if (item_take_o) filling_q <= 1'b0;
      if (take_block) streaming_q <= 1'b1;
      else if (last_token) streaming_q <= 1'b0;
      if (last_token) token_q <= '0;
      else if (read_o) token_q <= token_q + 16'd1;
      if (free_i) begin
        pending_q[free_slot_i]    <= 1'b0;
        in_bank_q[0][free_slot_i] <= 1'b0;
        in_bank_q[1][free_slot_i] <= 1'b0;
      end
      if (take_first) begin
        pending_q[item_i.slot] <= 1'b1;
        wide_q[item_i.slot]    <= item_i.wide;
      end
      if (take_block && item_i.first) in_bank_q[item_i.bank][item_i.slot] <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take_block || take_empty) begin
      now_first_q  <= item_i.first;
      now_last_q   <= item_i.last;
      op_last_q    <= item_i.op_last;
      now_normal_q <= item_i.normal;
      now_common_q <= item_i.common;
      now_slot_q   <= item_i.slot;
      now_bank_q   <= item_i.bank;
      now_id_q     <= item_i.id;
      now_tokens_q <= item_i.tokens;
      now_addr_q   <= item_i.in_addr;
      now_slice_q  <= item_i.in_slice;
    end
    if (take_first) begin
      first_q[item_i.slot] <= item_i.out_first;
      end_q[item_i.slot]   <= item_i.out_end;
    end
  end

  // An instruction of the array ends with its last token.
  always_comb begin
    op_id_o   = streaming_q ? now_id_q : item_i.id;
    op_done_o = end_o || (last_token && op_last_q) || (take_empty && item_i.op_last);
  end

  // The array waits for the vector unit, at an item or for its number of tokens.
  cycle_kind_e vector_kind;
  always_comb begin
    vector_kind = CycleFillDrain;
    if (vector_steps_i) vector_kind = vector_drops_i ? CycleSelector : CycleVector;
  end

  always_comb begin
    cycle_kind_o = CycleControl;
    to_vector_o  = 1'b0;
    if (streaming_q) cycle_kind_o = read_grant_i ? CycleCompute : CycleInputWait;
    else if (item_valid_i) begin
      if (on_vector) begin
        cycle_kind_o = vector_kind;
        to_vector_o  = 1'b1;
      end else if (item_i.kind == ItemBlock) begin
        if (bank_busy) cycle_kind_o = CycleOutputWait;
        else if (features_hazard) cycle_kind_o = CycleInputWait;
      end else if (item_i.kind == ItemEnd && pending_q != '0) cycle_kind_o = CycleFillDrain;
    end else if (load_state_i == LoadCount) begin
      cycle_kind_o = vector_kind;
      to_vector_o  = 1'b1;
    end else if (filling_q) cycle_kind_o = CycleFillDrain;
    else begin
      unique case (load_state_i)
        LoadWeight: cycle_kind_o = CycleWeightWait;
        LoadInput: cycle_kind_o = CycleInputWait;
        LoadOutput: cycle_kind_o = CycleOutputWait;
        default: cycle_kind_o = CycleControl;
      endcase
    end
    if (!running_i) cycle_kind_o = CycleControl;
  end

endmodule
