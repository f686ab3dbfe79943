// Reads the program stream, line by line, and prepares the next item for the issue stage.
//
// It keeps one item ahead: while tokens stream through the current block, the next block enters the
// shadow weights, row r no earlier than the swap has passed it. Weights come from the stream (kept
// blocks only, each with its index) or from the features memory (K a column, V a row of PEs a read).
// Words of the stream for a memory (image, position embedding, a layer norm's parameters) are
// collected and written a cycle later.
module loader
  import core_pkg::*;
  import blockvit_pkg::*;
#(
  parameter int unsigned Rows      = 16,
  parameter int unsigned Cols      = 16,
  parameter int unsigned LineBytes = 16,
  parameter int unsigned AccDepth  = 256,
  parameter int unsigned NormRows  = 128,
  parameter bit          Selectors = 1'b1  // tokens may be dropped
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   start_i,         /// a program begins
  // program stream
  input  logic                   line_valid_i,
  input  logic [LineBytes*8-1:0] line_i,
  output logic                   line_pop_o,
  output logic                   line_wait_o,     /// a line is asked for
  output logic                   illegal_o,       /// this is no instruction for this machine
  output logic [15:0]            id_o,            /// of the instruction at hand
  input  logic                   live_valid_i,    /// a SCORE ends:
  input  logic [15:0]            live_i,          /// tokens alive from now on
  // GELU table, biases and scales
  output logic                   table_write_o,
  output logic                   param_write_o,
  output logic                   param_scale_o,   /// the line holds scales, else biases
  output logic [15:0]            line_number_o,   /// of the table, biases or scales
  // words of the stream for a memory
  input  logic                   idle_i,          /// nothing is under way that a load could disturb
  output logic                   word_part_o,     /// the line is part of a word
  output logic                   word_features_o, /// the word collected goes to the features,
  output logic                   word_residual_o, /// to the residual,
  output logic                   word_norm_o,     /// or to a layer norm's parameters
  output logic [31:0]            word_addr_o,
  output logic [1:0]             word_bank_o,     /// 0 gains, 1 and 2 offsets
  input  logic                   norm_free_i,     /// a layer norm is done with its parameters
  // output tiles
  input  logic                   slot_free_i,     /// slot `slot_o` may be filled
  input  logic                   gelu_busy_i,     /// a tile in flight needs the present table
  output logic [1:0]             slot_o,
  output logic                   tile_push_o,
  output tile_t                  tile_o,
  // activations that serve as weights
  output logic                   read_o,
  input  logic                   read_grant_i,
  output logic [31:0]            read_addr_o,
  output logic [31:0]            read_end_o,      /// end of the words of the block at hand
  input  logic                   read_hazard_i,   /// one of them is still to be written
  // shadow weights; data of a read come a cycle after it, as do those of the stream
  output logic [Rows-1:0]        load_row_o,
  output logic [Cols-1:0]        load_col_o,
  output logic                   load_stream_o,   /// weights are `load_line_o`, else the word read
  output logic                   load_zero_o,     /// weights are zero
  output logic                   by_col_o,
  output logic [6:0]             load_slice_o,    /// slice of the word read
  output logic [LineBytes*8-1:0] load_line_o,
  // items
  output logic                   item_valid_o,
  output item_t                  item_o,
  output vector_t                vector_o,        /// the item's instruction for the vector unit
  input  logic                   item_take_i,
  input  logic                   block_take_i,    /// the item taken is a block
  output load_state_e            load_state_o
);

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned InstrLines = (InstrWords * 4 + LineBytes - 1) / LineBytes;
  localparam int unsigned TableLines = TableBytes / LineBytes;
  localparam int unsigned ParamLines = Cols * ParamBytes / LineBytes;
  localparam int unsigned BlockLines = Rows * Cols / LineBytes;
  localparam int unsigned WordLines = Word / LineBytes;
  localparam int unsigned NormParts = NormBytes / 2;

  typedef enum logic [3:0] {
    Instr, Decode, Table, Tile, Params, Block, Load, Item, Words, Norm, Ended
  } state_e;

  state_e                  state_d, state_q;
  instr_t                  instr, instr_fields;
  vector_t                 vector, vector_fields, vector_q;
  logic [15:0]             count_q, tile_q, block_q, depth_q;
  logic [31:0]             word_q;
  logic [31:0]             out_addr, in_addr, w_addr;
  logic [6:0]              out_slice, in_slice, w_slice;
  logic [1:0]              slot_q, part_q, norms_q;
  logic                    bank_q, half_q;
  logic [$clog2(Rows)-1:0] wave_q;
  logic                    item_valid_q;
  item_t                   item_q;

  logic        stream, by_col, matmul, needs_line, blocked, step, finished, tile_end, last_block;
  logic        last_tile, empty_tile, push_item, last_word, last_part, illegal, skip;
  logic        last_live, beyond, common, block_common, count_wait, excess, scored;
  logic [15:0] lines, w_token, read_left;
  tile_header_t tile_header;

  assign matmul     = instr.opcode == OpMatmul;
  assign stream     = instr.mode == ModeStream;
  assign by_col     = instr.mode == ModeColumns;
  assign last_tile  = tile_q + 16'd1 == instr_fields.tiles;
  assign last_live  = tile_q + 16'd1 == instr.tiles;
  assign beyond     = tile_q >= instr.tiles;  // of keys that are no more
  assign last_block = block_q + 16'd1 == depth_q;
  assign last_part  = part_q == 2'(NormParts - 1);
  assign last_word  = state_q == Words ? word_q + 32'd1 == vector.operand
                                       : last_part && word_q + 32'd1 == 32'(vector.rows);

  assign tile_header = tile_header_t'(line_i[31:0]);

  // Between instructions, lines that start with 0 fill up.
  assign skip = state_q == Instr && count_q == '0 && line_i[7:0] == '0;

  always_comb begin
    unique case (instr.opcode)
      OpMatmul:
        illegal = instr.tokens == '0 || instr.tokens > 16'(AccDepth) || instr.tiles == '0
                  || instr.mode == 2'd3 || excess
                  || (!stream && (instr.depth == '0 || instr.valid == '0));
      OpLoad: illegal = vector.operand == '0;
      OpAdd, OpSoftmax, OpLayernorm:
        illegal = vector.tokens == '0 || vector.rows == '0 || excess
                  || 17'(vector.tokens) + 17'(vector.first_token) > 17'(AccDepth)
                  || (instr.opcode == OpLayernorm && vector.rows > 16'(NormRows));
      OpMean, OpStore: illegal = vector.tokens == '0 || vector.rows == '0 || excess;
      OpScore, OpSelect:
        illegal = !Selectors || vector.tokens == '0 || vector.rows == '0 || excess
                  || vector.tokens > 16'(AccDepth) || (instr.opcode == OpSelect && !scored);
      OpEnd: illegal = 1'b0;
      default: illegal = 1'b1;
    endcase
  end
  assign illegal_o = state_q == Decode && illegal && !count_wait;
  assign id_o      = instr.id;

  // A state is left after `lines` steps; a step needs a line, a read, or nothing.
  always_comb begin
    lines      = 16'd1;
    needs_line = 1'b0;
    blocked    = 1'b0;
    unique case (state_q)
      Instr: begin
        lines      = 16'(InstrLines);
        needs_line = 1'b1;
      end
      Decode: blocked = illegal || count_wait;
      Table: begin
        lines      = 16'(TableLines);
        needs_line = 1'b1;
        blocked    = gelu_busy_i;
      end
      Tile: begin
        needs_line = 1'b1;
        blocked    = !slot_free_i && !beyond;
      end
      Params: begin
        lines      = 16'(ParamLines);
        needs_line = 1'b1;
      end
      Block: needs_line = stream;
      Load: begin
        lines      = stream ? 16'(BlockLines) : by_col ? 16'(Cols) : 16'(Rows);
        needs_line = stream;
        blocked    = item_valid_q || (!stream && (read_hazard_i || (by_col && wave_q != '0)));
      end
      Words: begin
        lines      = vector.wide ? 16'(2 * WordLines) : 16'(WordLines);
        needs_line = 1'b1;
        blocked    = !idle_i || item_valid_q;
      end
      Norm: begin
        lines      = 16'(2 * WordLines);
        needs_line = 1'b1;
        blocked    = norms_q == 2'd2;
      end
      Item: blocked = item_valid_q;
      default: blocked = 1'b1;  // Ended
    endcase
  end

  assign read_o      = state_q == Load && !stream && !blocked;
  assign step        = !blocked && (!needs_line || line_valid_i) && (!read_o || read_grant_i);
  assign line_pop_o  = step && needs_line;
  assign line_wait_o = needs_line;
  assign finished    = step && !skip && count_q + 16'd1 == lines;
  assign tile_end    = matmul && finished && (state_q == Item || (state_q == Load && last_block));
  assign empty_tile  = depth_q == 16'd0;

  always_comb begin
    state_d = state_q;
    if (finished) begin
      unique case (state_q)
        Instr: state_d = Decode;
        Decode: begin
          unique case (instr.opcode)
            OpMatmul: state_d = instr.gelu ? Table : Tile;
            OpLoad: state_d = Words;
            OpLayernorm: state_d = Norm;
            default: state_d = Item;
          endcase
        end
        Table: state_d = Tile;
        Tile: state_d = Params;
        Params: begin
          if (beyond) state_d = last_tile ? Instr : Tile;
          else state_d = empty_tile ? Item : Block;
        end
        Block: state_d = Load;
        Words: if (last_word) state_d = Instr;
        Norm: if (last_word) state_d = Item;
        default: begin  // Load, Item
          if (state_q == Load && !last_block) state_d = Block;
          else if (matmul && !last_tile) state_d = Tile;
          else state_d = instr.opcode == OpEnd ? Ended : Instr;
        end
      endcase
    end
    if (start_i) state_d = Instr;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q      <= Instr;
      count_q      <= '0;
      tile_q       <= '0;
      block_q      <= '0;
      word_q       <= '0;
      part_q       <= '0;
      norms_q      <= '0;
      half_q       <= 1'b0;
      slot_q       <= '0;
      bank_q       <= 1'b0;
      wave_q       <= '0;
      item_valid_q <= 1'b0;
    end else begin
      state_q <= state_d;
      if (step && !skip) count_q <= finished ? '0 : count_q + 16'd1;
      if (state_q == Decode) begin
        tile_q <= '0;
        word_q <= '0;
      end
      if (finished && state_q == Tile) block_q <= '0;
      if (push_item) block_q <= block_q + 16'd1;
      if (tile_end || (finished && state_q == Params && beyond)) tile_q <= tile_q + 16'd1;
      if (tile_end) slot_q <= slot_q + 2'd1;
      if (tile_end && state_q == Load) bank_q <= !bank_q;
      if (finished && state_q == Words) word_q <= word_q + 32'd1;
      if (finished && state_q == Norm) begin
        part_q <= last_part ? '0 : part_q + 2'd1;
        if (last_part) word_q <= word_q + 32'd1;
        if (last_word) half_q <= !half_q;
      end
      norms_q <= norms_q + 2'(finished && state_q == Norm && last_word) - 2'(norm_free_i);
      if (block_take_i) wave_q <= ($clog2(Rows))'(Rows - 1);
      else if (wave_q != '0) wave_q <= wave_q - 1'b1;
      if (push_item) item_valid_q <= 1'b1;
      else if (item_take_i) item_valid_q <= 1'b0;
    end
  end

  // Instruction, tile and block
  instruction_register #(
    .LineBytes(LineBytes)
  ) u_instruction (
    .clk_i, .write_i(step && state_q == Instr), .line_i, .instr_o(instr_fields),
    .vector_o(vector_fields)
  );

  live_tokens #(
    .Rows(Rows), .Cols(Cols), .Selectors(Selectors)
  ) u_live (
    .clk_i, .rst_ni, .start_i, .instr_i(instr_fields), .vector_i(vector_fields),
    .decode_i(finished && state_q == Decode), .valid_i(live_valid_i), .live_i, .instr_o(instr),
    .vector_o(vector), .wait_o(count_wait), .excess_o(excess), .scored_o(scored)
  );

  always_ff @(posedge clk_i) begin
    if (finished && state_q == Tile) depth_q <= stream ? tile_header.blocks : instr.depth;
  end

  tile_addresses #(
    .Rows(Rows), .Cols(Cols), .Selectors(Selectors)
  ) u_addresses (
    .clk_i, .instr_i(instr), .next_tile_i(finished && state_q == Tile),
    .place_i(stream ? tile_header.place : tile_q),
    .next_block_i(finished && state_q == Block), .tile_i(tile_q), .block_i(block_q),
    .index_i(stream ? line_i[15:0] : block_q), .out_addr_o(out_addr), .out_slice_o(out_slice),
    .in_addr_o(in_addr), .in_slice_o(in_slice), .common_o(block_common), .w_addr_o(w_addr), .w_slice_o(w_slice),
    .w_token_o(w_token)
  );

  assign slot_o        = slot_q;
  assign line_number_o = param_scale_o ? count_q - 16'(ParamLines / 2) : count_q;
  assign table_write_o = step && state_q == Table;
  assign param_write_o = step && state_q == Params && !beyond;
  assign param_scale_o = state_q == Params && count_q >= 16'(ParamLines / 2);
  assign tile_push_o   = finished && state_q == Params && !beyond;
  assign tile_o = '{
    wide: instr.wide, gelu: instr.gelu, empty: empty_tile, bank: bank_q, tokens: instr.tokens,
    addr: out_addr, slice: out_slice
  };

  // Words for a memory
  assign word_part_o = step && (state_q == Words || state_q == Norm);
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      word_features_o <= 1'b0;
      word_residual_o <= 1'b0;
      word_norm_o     <= 1'b0;
    end else begin
      word_features_o <= finished && state_q == Words && !vector.wide;
      word_residual_o <= finished && state_q == Words && vector.wide;
      word_norm_o     <= finished && state_q == Norm;
    end
  end
  always_ff @(posedge clk_i) begin
    if (finished) begin
      word_bank_o <= part_q;
      word_addr_o <= state_q == Words ? vector.out_addr + word_q
                                      : word_q + (half_q ? 32'(NormRows) : 32'd0);
    end
  end

  // Shadow weights, a cycle after the line is popped or the word is asked for
  assign read_addr_o = w_addr + 32'(count_q);
  assign read_left   = instr.valid - w_token;
  assign read_end_o  = w_addr + 32'(read_left < lines ? read_left : lines);

  shadow_control #(
    .Rows(Rows), .Cols(Cols), .LineBytes(LineBytes)
  ) u_shadow (
    .clk_i, .rst_ni, .step_i(step && state_q == Load), .stream_i(stream), .by_col_i(by_col),
    .count_i(count_q), .zero_i(!stream && w_token + count_q >= instr.valid),
    .slice_i(w_slice), .line_i, .load_row_o, .load_col_o, .load_stream_o, .load_zero_o, .by_col_o,
    .load_slice_o, .load_line_o
  );

  // Items
  assign common       = state_q == Load && block_common;
  assign push_item    = finished && (state_q == Load || state_q == Item);
  assign item_valid_o = item_valid_q;
  assign item_o       = item_q;
  assign vector_o     = vector_q;

  always_ff @(posedge clk_i) begin
    if (push_item) begin
      vector_q <= vector;
      if (state_q == Load) item_q.kind <= ItemBlock;
      else if (matmul) item_q.kind <= ItemEmpty;
      else item_q.kind <= instr.opcode == OpEnd ? ItemEnd : ItemVector;
      item_q.first     <= state_q == Item || block_q == '0;
      item_q.last      <= tile_end;
      item_q.op_last   <= tile_end && last_live;
      item_q.normal    <= common ? instr.common_normal : instr.normal;
      item_q.common    <= common;
      item_q.wide      <= instr.wide;
      item_q.slot      <= slot_q;
      item_q.bank      <= bank_q;
      item_q.id        <= instr.id;
      item_q.tokens    <= instr.tokens;
      item_q.in_addr   <= in_addr;
      item_q.in_slice  <= in_slice;
      item_q.out_first <= out_addr;
      item_q.out_end   <= out_addr + 32'(instr.tokens);
    end
  end

  always_comb begin
    unique case (state_q)
      Table, Tile, Norm:
        load_state_o = blocked ? LoadOutput : line_valid_i ? LoadControl : LoadWeight;
      Instr, Params, Words: load_state_o = line_valid_i ? LoadControl : LoadWeight;
      Block: load_state_o = LoadWeight;
      Load: load_state_o = !stream && read_hazard_i ? LoadInput : LoadWeight;
      Decode: load_state_o = count_wait ? LoadCount : LoadControl;
      default: load_state_o = LoadControl;
    endcase
  end

  logic unused;
  assign unused = &{instr, instr_fields};

endmodule
