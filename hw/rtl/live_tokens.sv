// Tokens that are still alive, and an instruction with the counts that it takes: those of its fields,
// or of the live tokens (`docs/isa.md`).
//
// A SCORE states its new count in its last cycle; until then whatever depends on it has to wait.
module live_tokens
  import blockvit_pkg::*;
#(
  parameter int unsigned Rows      = 16,
  parameter int unsigned Cols      = 16,
  parameter bit          Selectors = 1'b1  // else every instruction takes the counts of its fields
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,   /// a program begins
  input  instr_t      instr_i,   /// the instruction as a matrix product
  input  vector_t     vector_i,  /// and as any other
  input  logic        decode_i,  /// it is being decoded, and does not wait
  input  logic        valid_i,   /// a SCORE ends:
  input  logic [15:0] live_i,    /// tokens alive from now on
  output instr_t      instr_o,   /// the instruction with its counts
  output vector_t     vector_o,
  output logic        wait_o,    /// a count that it takes is not known yet
  output logic        excess_o,  /// it takes more tokens than its fields allow
  output logic        scored_o   /// the instruction before it was a SCORE
);

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;

  logic [15:0] live_q, score_tokens_q, tokens;
  logic        pending_q, scored_q, live, matmul;

  assign matmul   = instr_i.opcode == OpMatmul;
  assign live     = Selectors && (matmul ? instr_i.live : vector_i.live);
  assign wait_o   = pending_q && (live || instr_i.opcode == OpScore);
  assign excess_o = live && tokens > instr_i.tokens;
  assign scored_o = scored_q;

  function automatic logic [15:0] divide_up(input logic [15:0] count, input int unsigned by);
    return 16'((17'(count) + 17'(by - 1)) >> $clog2(by));
  endfunction

  always_comb begin
    tokens = instr_i.tokens;
    if (live) tokens = live_q - (instr_i.opcode == OpMean ? vector_i.first_token : 16'd0);
    else if (Selectors && instr_i.opcode == OpSelect) tokens = score_tokens_q;
  end

  always_comb begin
    instr_o        = instr_i;
    instr_o.tokens = tokens;
    if (live) instr_o.valid = live_q;
    if (live && instr_i.mode == ModeRows) instr_o.depth = divide_up(live_q, Rows);
    if (live && instr_i.mode == ModeColumns) instr_o.tiles = divide_up(live_q, Cols);
  end

  always_comb begin
    vector_o        = vector_i;
    vector_o.tokens = tokens;
    if (live && instr_i.opcode == OpSoftmax) begin
      vector_o.valid = live_q;
      vector_o.rows  = divide_up(live_q, Word);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      live_q    <= '0;
      pending_q <= 1'b0;
      scored_q  <= 1'b0;
    end else if (start_i) begin
      live_q    <= '0;
      pending_q <= 1'b0;
      scored_q  <= 1'b0;
    end else if (Selectors) begin
      if (valid_i) begin
        live_q    <= live_i;
        pending_q <= 1'b0;
      end
      if (decode_i) scored_q <= instr_i.opcode == OpScore;
      if (decode_i && instr_i.opcode == OpScore) pending_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (decode_i && instr_i.opcode == OpScore) score_tokens_q <= tokens;
  end

endmodule
