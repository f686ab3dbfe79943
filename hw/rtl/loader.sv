// Reads the program stream, line by line, and prepares the next item for the issue stage.
//
// It keeps one item ahead: while tokens stream through the current block, the next block enters the
// shadow weights, row r no earlier than the swap has passed it. Weights come from the stream (kept
// blocks only, each with its index) or from activation memory (K a column, V a row of PEs a read).
module loader
  import core_pkg::*;
  import blockvit_pkg::*;
#(
  parameter int unsigned Rows      = 16,
  parameter int unsigned Cols      = 16,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // program stream
  input  logic                   line_valid_i,
  input  logic [LineBytes*8-1:0] line_i,
  output logic                   line_pop_o,
  // GELU table, biases and scales
  output logic                   table_write_o,
  output logic                   param_write_o,
  output logic                   param_scale_o,   /// the line holds scales, else biases
  output logic [15:0]            line_number_o,   /// of the table, biases or scales
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
  input  logic                   item_take_i,
  output load_state_e            load_state_o
);

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned LogIn = $clog2(Word / Rows);
  localparam int unsigned LogOut = $clog2(Word / Cols);
  localparam int unsigned InstrBytes = InstrWords * 4;
  localparam int unsigned InstrLines = (InstrBytes + LineBytes - 1) / LineBytes;
  localparam int unsigned TableLines = TableBytes / LineBytes;
  localparam int unsigned ParamLines = Cols * ParamBytes / LineBytes;
  localparam int unsigned BlockLines = Rows * Cols / LineBytes;
  localparam int unsigned Groups = Cols / LineBytes;  // lines of a row
  localparam int unsigned LogGroups = $clog2(Groups);

  typedef enum logic [2:0] {
    Instr, Decode, Table, Tile, Params, Block, Load, Item
  } state_e;

  state_e                  state_d, state_q;
  logic [InstrBytes*8-1:0] instr_bits_q;
  instr_t                  instr;
  logic [15:0]             count_q, tile_q, block_q, depth_q;
  logic [31:0]             out_addr_q, in_addr_q, w_addr_q;
  logic [6:0]              out_slice_q, in_slice_q;
  logic [1:0]              slot_q;
  logic [$clog2(Rows)-1:0] wave_q;
  logic                    item_valid_q;
  item_t                   item_q;

  logic        stream, by_col, needs_line, blocked, step, finished, load_go, last_block, last_tile;
  logic        empty_tile, push_item;
  logic [15:0] lines, index, read_base, w_row, out_step, header;
  logic [6:0]  out_slices;

  assign instr      = instr_t'(instr_bits_q);
  assign stream     = instr.mode == ModeStream;
  assign by_col     = instr.mode == ModeColumns;
  assign last_tile  = tile_q + 16'd1 == instr.tiles;
  assign last_block = block_q + 16'd1 == depth_q;
  assign header     = line_i[15:0];

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
      Table: begin
        lines      = 16'(TableLines);
        needs_line = 1'b1;
        blocked    = gelu_busy_i;
      end
      Tile: begin
        needs_line = 1'b1;
        blocked    = !slot_free_i;
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
      Item: blocked = item_valid_q;
      default: ;
    endcase
  end

  assign read_o     = state_q == Load && !stream && !blocked;
  assign step       = !blocked && (!needs_line || line_valid_i) && (!read_o || read_grant_i);
  assign line_pop_o = step && needs_line;
  assign finished   = step && count_q + 16'd1 == lines;
  assign load_go    = step && state_q == Load;
  assign empty_tile = depth_q == 16'd0;

  always_comb begin
    state_d = state_q;
    if (finished) begin
      unique case (state_q)
        Instr: state_d = Decode;
        Decode: begin
          if (instr.opcode == OpHost || instr.opcode == OpEnd) state_d = Item;
          else state_d = instr.gelu ? Table : Tile;
        end
        Table: state_d = Tile;
        Tile: state_d = Params;
        Params: state_d = empty_tile ? Item : Block;
        Block: state_d = Load;
        default: begin  // Load, Item
          if (state_q == Load && !last_block) state_d = Block;
          else if (instr.opcode == OpMatmul && !last_tile) state_d = Tile;
          else state_d = Instr;
        end
      endcase
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q      <= Instr;
      count_q      <= '0;
      tile_q       <= '0;
      block_q      <= '0;
      slot_q       <= '0;
      wave_q       <= '0;
      item_valid_q <= 1'b0;
    end else begin
      state_q <= state_d;
      if (step) count_q <= finished ? '0 : count_q + 16'd1;
      if (state_q == Decode) tile_q <= '0;
      if (finished && state_q == Tile) block_q <= '0;
      if (finished && (state_q == Load || state_q == Item)) begin
        block_q <= block_q + 16'd1;
        if (state_q == Item || last_block) tile_q <= tile_q + 16'd1;
        if (instr.opcode == OpMatmul && (state_q == Item || last_block)) slot_q <= slot_q + 2'd1;
      end
      if (item_take_i) wave_q <= ($clog2(Rows))'(Rows - 1);
      else if (wave_q != '0) wave_q <= wave_q - 1'b1;
      if (push_item) item_valid_q <= 1'b1;
      else if (item_take_i) item_valid_q <= 1'b0;
    end
  end

  // Instruction, tile and block registers
  assign index      = stream ? header : block_q;
  assign read_base  = by_col ? tile_q << $clog2(Cols) : block_q << $clog2(Rows);
  assign w_row      = by_col ? block_q >> LogIn : tile_q >> LogOut;
  assign out_step   = instr.wide ? instr.out_stride << 1 : instr.out_stride;
  assign out_slices = 7'(Word / Cols - 1);

  if (LineBytes >= InstrBytes) begin : g_wide_line
    always_ff @(posedge clk_i) begin
      if (step && state_q == Instr) instr_bits_q <= line_i[InstrBytes*8-1:0];
    end
  end else begin : g_narrow_line
    always_ff @(posedge clk_i) begin
      if (step && state_q == Instr) begin
        instr_bits_q <= {line_i, instr_bits_q[InstrBytes*8-1:LineBytes*8]};
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Decode) begin
      out_addr_q  <= instr.out_addr;
      out_slice_q <= '0;
    end else if (finished && (state_q == Item || (state_q == Load && last_block))) begin
      out_slice_q <= out_slice_q == out_slices ? '0 : out_slice_q + 7'd1;
      if (out_slice_q == out_slices) out_addr_q <= out_addr_q + 32'(out_step);
    end
    if (finished && state_q == Tile) depth_q <= stream ? header : instr.depth;
    if (finished && state_q == Block) begin
      in_addr_q  <= instr.in_addr + 32'(index >> LogIn) * 32'(instr.in_stride);
      in_slice_q <= 7'(index) & 7'(Word / Rows - 1);
      w_addr_q   <= instr.w_addr + 32'(w_row) * 32'(instr.w_stride) + 32'(read_base);
    end
  end

  assign slot_o        = slot_q;
  assign line_number_o = param_scale_o ? count_q - 16'(ParamLines / 2) : count_q;
  assign table_write_o = step && state_q == Table;
  assign param_write_o = step && state_q == Params;
  assign param_scale_o = state_q == Params && count_q >= 16'(ParamLines / 2);
  assign tile_push_o   = finished && state_q == Params;
  assign tile_o = '{
    wide: instr.wide, gelu: instr.gelu, empty: empty_tile, tokens: instr.tokens,
    addr: out_addr_q, stride: instr.out_stride, slice: out_slice_q
  };

  // Shadow weights, a cycle after the line is popped or the word is asked for
  assign read_addr_o = w_addr_q + 32'(count_q);
  assign read_end_o  = w_addr_q + (by_col ? Cols : Rows);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      load_row_o <= '0;
      load_col_o <= '0;
    end else begin
      load_row_o <= '0;
      load_col_o <= '0;
      if (load_go && stream) begin
        load_row_o <= Rows'(1) << (count_q >> LogGroups);
        load_col_o <= Cols'({LineBytes{1'b1}}) << ((count_q & 16'(Groups - 1)) * 16'(LineBytes));
      end else if (load_go && by_col) begin
        load_row_o <= '1;
        load_col_o <= Cols'(1) << count_q;
      end else if (load_go) begin
        load_row_o <= Rows'(1) << count_q;
        load_col_o <= '1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (load_go) begin
      load_line_o   <= line_i;
      load_stream_o <= stream;
      load_zero_o   <= !stream && read_base + count_q >= instr.valid;
      by_col_o      <= by_col;
      load_slice_o  <= instr.mode == ModeRows ? 7'(tile_q) & out_slices
                                              : 7'(block_q) & 7'(Word / Rows - 1);
    end
  end

  // Items
  assign push_item    = finished && (state_q == Load || state_q == Item);
  assign item_valid_o = item_valid_q;
  assign item_o       = item_q;

  always_ff @(posedge clk_i) begin
    if (push_item) begin
      if (state_q == Load) item_q.kind <= ItemBlock;
      else if (instr.opcode == OpMatmul) item_q.kind <= ItemEmpty;
      else item_q.kind <= instr.opcode == OpEnd ? ItemEnd : ItemHost;
      item_q.first     <= state_q == Item || block_q == '0;
      item_q.last      <= state_q == Item || last_block;
      item_q.op_last   <= last_tile && (state_q == Item || last_block);
      item_q.drain     <= instr.drain;
      item_q.slot      <= slot_q;
      item_q.id        <= instr.id;
      item_q.tokens    <= instr.tokens;
      item_q.in_addr   <= in_addr_q;
      item_q.in_slice  <= in_slice_q;
      item_q.out_first <= out_addr_q;
      item_q.out_end   <= out_addr_q + 32'(instr.tokens)
                          + (instr.wide ? 32'(instr.out_stride) : 32'd0);
    end
  end

  always_comb begin
    unique case (state_q)
      Table, Tile: load_state_o = blocked ? LoadOutput : line_valid_i ? LoadControl : LoadWeight;
      Instr, Params: load_state_o = line_valid_i ? LoadControl : LoadWeight;
      Block: load_state_o = LoadWeight;
      Load: load_state_o = !stream && read_hazard_i ? LoadInput : LoadWeight;
      default: load_state_o = LoadControl;
    endcase
  end

  logic unused;
  assign unused = &{instr.unused1, instr.unused11};

endmodule
