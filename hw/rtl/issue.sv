// Streams tokens through the array, block after block, and keeps order with the results.
//
// A block starts when its weights are in the shadow registers, the accumulator bank of its output
// tile is free, and none of the activations it reads is still to be written. The next block starts
// in the cycle after the last token of this one. Every cycle is classified once.
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
  input  load_state_e load_state_i,
  // tokens into the array
  input  logic        read_grant_i,
  output logic        read_o,
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
  // host and program
  output logic        host_req_o,
  input  logic        host_ack_i,
  output logic        end_o,
  output logic        op_done_o,       /// this is the last cycle of instruction `op_id_o`
  output logic [15:0] op_id_o,
  output cycle_kind_e cycle_kind_o
);

  logic        now_first_q, now_last_q, op_last_q;
  logic [1:0]  now_slot_q;
  logic        now_bank_q;
  logic [15:0] now_id_q, now_tokens_q;
  logic [31:0] now_addr_q;
  logic [6:0]  now_slice_q;
  logic        streaming_q, closing_q, filling_q, swap_q;
  logic [15:0] token_q;
  logic [3:0]  pending_q;        // output tiles whose results are not all written, by slot
  logic [3:0]  in_bank_q[2];     // those of them that hold a bank
  logic [31:0] first_q[4];
  logic [31:0] end_q[4];
  logic        last_token, ready, bank_busy, hazard, take_block, take_empty, take_first;
  logic        take_host;
  logic        idle, drained;
  logic [31:0] in_end;

  // Words [first, last) overlap results of a tile in flight.
  function automatic logic overlaps(input logic [31:0] first, input logic [31:0] last);
    overlaps = 1'b0;
    for (int s = 0; s < 4; s++) begin
      if (pending_q[s] && first < end_q[s] && first_q[s] < last) overlaps = 1'b1;
    end
  endfunction

  assign in_end = item_i.in_addr + 32'(item_i.tokens);
  always_comb begin
    hazard         = overlaps(item_i.in_addr, in_end);
    range_hazard_o = overlaps(range_first_i, range_end_i);
  end

  assign read_o       = streaming_q && read_grant_i;
  assign read_addr_o  = now_addr_q + 32'(token_q);
  assign read_slice_o = now_slice_q;
  assign last_token   = read_o && token_q + 16'd1 == now_tokens_q;
  assign tag_o = '{
    valid: read_o, first: now_first_q, last: now_last_q, last_token: last_token, slot: now_slot_q,
    bank: now_bank_q
  };
  assign swap_o = swap_q;

  assign bank_busy = item_i.first && |in_bank_q[item_i.bank];
  assign ready     = item_valid_i && !closing_q && (!streaming_q || last_token);
  assign idle      = item_valid_i && !closing_q && !streaming_q;
  assign drained   = closing_q && !streaming_q && pending_q == '0;

  assign take_block  = ready && item_i.kind == ItemBlock && !bank_busy && !hazard;
  assign take_empty  = idle && item_i.kind == ItemEmpty;
  assign host_req_o  = idle && item_i.kind == ItemHost && pending_q == '0;
  assign take_host   = host_req_o && host_ack_i;
  assign end_o       = idle && item_i.kind == ItemEnd && pending_q == '0;
  assign item_take_o = take_block || take_empty || take_host || end_o;
  assign empty_o     = take_empty;
  assign take_first  = (take_block || take_empty) && item_i.first;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      streaming_q <= 1'b0;
      closing_q   <= 1'b0;
      filling_q   <= 1'b1;
      swap_q      <= 1'b0;
      token_q     <= '0;
      pending_q   <= '0;
      for (int b = 0; b < 2; b++) in_bank_q[b] <= '0;
    end else begin
      swap_q <= take_block;
      if (item_take_o) filling_q <= 1'b0;
      if (take_block) streaming_q <= 1'b1;
      else if (last_token) streaming_q <= 1'b0;
      if (last_token) token_q <= '0;
      else if (read_o) token_q <= token_q + 16'd1;
      if ((take_block || take_empty) && item_i.op_last && item_i.drain) closing_q <= 1'b1;
      else if (drained) closing_q <= 1'b0;
      if (free_i) begin
        pending_q[free_slot_i]    <= 1'b0;
        in_bank_q[0][free_slot_i] <= 1'b0;
        in_bank_q[1][free_slot_i] <= 1'b0;
      end
      if (take_first) pending_q[item_i.slot] <= 1'b1;
      if (take_block && item_i.first) in_bank_q[item_i.bank][item_i.slot] <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (item_take_o) begin
      now_first_q  <= item_i.first;
      now_last_q   <= item_i.last;
      op_last_q    <= item_i.op_last;
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

  // An instruction ends with its last token, or, draining, with its last result.
  always_comb begin
    op_id_o   = streaming_q || closing_q ? now_id_q : item_i.id;
    op_done_o = drained || take_host || end_o
             || (last_token && op_last_q && !closing_q)
             || (take_empty && item_i.op_last && !item_i.drain);
  end

  always_comb begin
    cycle_kind_o = CycleControl;
    if (streaming_q) cycle_kind_o = read_grant_i ? CycleCompute : CycleInputWait;
    else if (closing_q) cycle_kind_o = CycleFillDrain;
    else if (item_valid_i) begin
      unique case (item_i.kind)
        ItemBlock: begin
          if (bank_busy) cycle_kind_o = CycleOutputWait;
          else if (hazard) cycle_kind_o = CycleInputWait;
        end
        ItemEmpty: ;
        default: if (pending_q != '0) cycle_kind_o = CycleFillDrain;
      endcase
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
