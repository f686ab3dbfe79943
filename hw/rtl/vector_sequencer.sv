// Walks the head of the vector queue through its passes: for every word row, for every slice of
// LANES features, for every token, a step a cycle.
//
// A row starts, after a cycle of its own, when what it reads has been written and what it writes has
// been read; it takes MINROW cycles at least, so that sums of one token are never in two hands. Of a
// selection or mean, the package follows its row as a further step, when the row's sum is complete.
// After a pass, and after the reciprocals, the pipeline runs empty.
module vector_sequencer
  import core_pkg::*;
  import blockvit_pkg::*;
#(
  parameter int unsigned Word        = 16,
  parameter int unsigned Lanes       = 16,
  parameter int unsigned StoreBytes  = 32,  // from one word in DRAM to the next
  parameter int unsigned Drain       = 10,  // cycles from a pass's last step until it is done
  parameter int unsigned FactorDrain = 47,
  parameter bit          Selectors   = 1'b1
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        busy_i,          /// there is an instruction
  input  vector_t     head_i,
  output logic        done_o,          /// it is done
  output logic        steps_o,         /// at work: not waiting for the array
  input  logic        grant_i,         /// tie to 1 where nothing holds the unit up
  // hazards
  output logic [31:0] sums_first_o,    /// words of the sums that the next row reads
  output logic [31:0] sums_end_o,
  input  logic        sums_hazard_i,   /// some are still to be written
  output logic [31:0] normal_first_o,  /// words of the normal memory that it writes
  output logic [31:0] normal_end_o,
  input  logic        normal_hazard_i, /// the array is reading some
  // steps
  output pass_e       pass_o,
  output logic        read_o,          /// words are read in this cycle
  output logic [31:0] read_addr_o,     /// of the first operand
  output logic [31:0] second_addr_o,   /// of the second operand
  output vstep_t      step_o,
  output logic        factor_o,        /// the token state is read for the reciprocals
  output logic        row_o,           /// a row is about to start
  output logic [15:0] row_number_o,
  // store
  output logic        store_valid_o,
  input  logic        store_ready_i,
  output logic [31:0] store_addr_o,
  input  logic        store_busy_i
);

  localparam int unsigned MinRow = 4;
  localparam int unsigned PackageStep = 2;  // cycles from a row's last token to the package, less 1
  localparam int unsigned Slices = Word / Lanes;

  typedef enum logic [2:0] {Idle, Row, Run, Draining, Factor, Send, Settle} state_e;

  state_e      state_q;
  pass_e       pass_q;
  logic [15:0] count_q, row_q, left_q;
  logic [6:0]  slice_q;
  logic [31:0] in_q, second_q, out_q, store_q;
  logic        hazard, reads_sums, writes_normal, last_step, last_slice, last_row, last_pass;
  logic        drained, pass_start, valid, second, packed_one, to_factor;
  logic [15:0] factor_steps, step_count;

  assign pass_o        = pass_q;
  assign second        = (head_i.opcode == OpAdd && head_i.second)
                         || (Selectors && head_i.opcode == OpScore);
  assign reads_sums    = head_i.sums || second;
  assign writes_normal = pass_q == PassShare || (pass_q == PassNorm && !head_i.wide);
  assign hazard        = (reads_sums && sums_hazard_i) || (writes_normal && normal_hazard_i);
  assign sums_first_o  = second ? second_q : in_q;
  assign sums_end_o    = sums_first_o + 32'(head_i.tokens);
  assign normal_first_o = out_q;
  assign normal_end_o   = out_q + 32'(head_i.tokens);

  assign valid      = count_q < head_i.tokens;
  assign packed_one = pass_q == PassSelect && count_q == head_i.tokens + 16'(PackageStep);
  assign step_count = packed_one ? head_i.tokens : count_q;
  assign last_step  = pass_q == PassSelect
                      ? packed_one
                      : count_q + 16'd1 >= head_i.tokens && count_q >= 16'(MinRow - 1);
  assign last_slice = slice_q == 7'(Slices - 1);
  assign last_row   = row_q + 16'd1 == head_i.rows;
  assign to_factor  = pass_q == PassFactor || pass_q == PassRecip;
  assign drained    = state_q == Draining
                      && count_q + 16'd1 == (to_factor ? 16'(FactorDrain) : 16'(Drain));
  assign steps_o    = busy_i && !(state_q == Row && hazard);
  assign last_pass  = pass_q == PassAdd || pass_q == PassNorm || pass_q == PassShare
                      || pass_q == PassSelect
                      || (pass_q == PassFactor && head_i.opcode == OpScore);
  assign done_o     = (drained && last_pass) || (state_q == Settle && !store_busy_i);

  // The first pass of an instruction, and the pass after this one
  function automatic pass_e first_pass(input logic [7:0] opcode);
    unique case (opcode)
      OpLayernorm: return PassFactor;
      OpSoftmax: return PassMax;
      OpMean, OpSelect: return PassRecip;
      OpScore: return PassScore;
      OpStore: return PassStore;
      default: return PassAdd;
    endcase
  endfunction

  function automatic pass_e next_pass(input pass_e pass, input logic [7:0] opcode);
    unique case (pass)
      PassMax: return PassSum;
      PassSum, PassScore: return PassFactor;
      PassRecip: return opcode == OpSelect ? PassWeight : PassSelect;
      PassWeight: return PassSelect;
      default: return opcode == OpSoftmax ? PassShare : PassNorm;
    endcase
  endfunction

  // A token a cycle; a single reciprocal is one step.
  function automatic logic by_token(input pass_e pass);
    return pass == PassFactor || pass == PassRecip || pass == PassWeight;
  endfunction
  assign factor_steps = pass_q == PassRecip ? 16'd1 : head_i.tokens;

  assign pass_start = (state_q == Idle && busy_i) || drained;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= Idle;
      pass_q  <= PassAdd;
      count_q <= '0;
    end else begin
      unique case (state_q)
        Idle: if (busy_i) begin
          pass_q  <= first_pass(head_i.opcode);
          state_q <= by_token(first_pass(head_i.opcode)) ? Factor : Row;
        end
        Row: if (!hazard) begin
          state_q <= pass_q == PassStore ? Send : Run;
          count_q <= '0;
        end
        Run: if (grant_i) begin
          count_q <= last_step ? '0 : count_q + 16'd1;
          if (last_step) state_q <= last_slice && last_row ? Draining : Row;
        end
        Factor: if (grant_i) begin
          count_q <= count_q + 16'd1 == factor_steps ? '0 : count_q + 16'd1;
          if (count_q + 16'd1 == factor_steps) state_q <= Draining;
        end
        Draining: begin
          count_q <= drained ? '0 : count_q + 16'd1;
          if (drained) begin
            pass_q  <= next_pass(pass_q, head_i.opcode);
            if (done_o) state_q <= Idle;
            else state_q <= by_token(next_pass(pass_q, head_i.opcode)) ? Factor : Row;
          end
        end
        Send: if (store_ready_i && store_valid_o) begin
          count_q <= count_q + 16'd1 == head_i.tokens ? '0 : count_q + 16'd1;
          if (count_q + 16'd1 == head_i.tokens) state_q <= last_row ? Settle : Row;
        end
        default: if (!store_busy_i) state_q <= Idle;  // Settle
      endcase
    end
  end

  // Addresses of the row at hand; slices of a word are rows of their own.
  always_ff @(posedge clk_i) begin
    if (pass_start) begin
      row_q    <= '0;
      slice_q  <= '0;
      left_q   <= head_i.valid;
      in_q     <= head_i.in_addr;
      second_q <= head_i.operand;
      out_q    <= head_i.out_addr;
    end else if ((state_q == Run && grant_i && last_step)
                 || (state_q == Send && store_ready_i && store_valid_o
                     && count_q + 16'd1 == head_i.tokens)) begin
      slice_q <= last_slice ? '0 : slice_q + 7'd1;
      left_q  <= left_q < 16'(Lanes) ? '0 : left_q - 16'(Lanes);
      if (last_slice || state_q == Send) begin
        slice_q  <= '0;
        row_q    <= row_q + 16'd1;
        in_q     <= in_q + 32'(head_i.in_stride);
        second_q <= second_q + 32'(head_i.second_stride);
        out_q    <= out_q + 32'(head_i.out_stride);
      end
    end
  end

  // Store: a word is read in one cycle and offered from the next on.
  logic sent_q;
  assign store_valid_o = state_q == Send && sent_q;
  assign store_addr_o  = store_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      sent_q  <= 1'b0;
      store_q <= '0;
    end else begin
      sent_q <= state_q == Send && !(store_valid_o && store_ready_i);
      if (state_q == Idle) store_q <= head_i.out_addr;
      else if (store_valid_o && store_ready_i) store_q <= store_q + 32'(StoreBytes);
    end
  end

  assign read_o        = (state_q == Run && grant_i && valid) || (state_q == Send && !sent_q);
  assign read_addr_o   = in_q + 32'(count_q);
  assign second_addr_o = second_q + 32'(count_q);
  assign factor_o      = state_q == Factor && grant_i;
  assign row_o         = state_q == Row;
  assign row_number_o  = row_q;

  assign step_o = '{
    valid: (state_q == Run && grant_i && (valid || packed_one)) || factor_o,
    first_token: count_q == '0,
    row_last: count_q + 16'd1 == head_i.tokens && last_slice,
    packed_one: packed_one,
    fresh: row_q == '0 && slice_q == '0
           && ((pass_q != PassAdd && pass_q != PassSelect) || head_i.fresh),
    token: step_count + (pass_q == PassAdd ? head_i.first_token : 16'd0),
    left: left_q,
    slice: slice_q,
    addr: out_q + 32'(step_count)
  };

  logic unused;
  assign unused = &head_i;

endmodule
