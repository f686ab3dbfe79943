// Where the output tile and the weight block at hand lie in memory.
//
// A word holds the features of the larger side of a tile, so the other side takes a slice of it.
module tile_addresses
  import blockvit_pkg::*;
#(
  parameter int unsigned Rows      = 16,
  parameter int unsigned Cols      = 16,
  parameter bit          Selectors = 1'b1  // input tiles may be of a common token
) (
  input  logic        clk_i,
  input  instr_t      instr_i,
  input  logic        next_tile_i,   /// `place_i` holds
  input  logic        next_block_i,  /// `index_i` and `block_i` hold
  input  logic [15:0] place_i,       /// which of the output's tiles comes next
  input  logic [15:0] tile_i,        /// output tiles before this one
  input  logic [15:0] block_i,       /// position of the block in its output tile
  input  logic [15:0] index_i,       /// input tile of the block
  output logic [31:0] out_addr_o,    /// word of the output tile's first result
  output logic [6:0]  out_slice_o,
  output logic [31:0] in_addr_o,     /// word of the block's first token
  output logic [6:0]  in_slice_o,
  output logic        common_o,      /// this is the word of all tokens
  output logic [31:0] w_addr_o,      /// first word of activations that serve as weights
  output logic [6:0]  w_slice_o,
  output logic [15:0] w_token_o      /// token that this word belongs to
);

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned LogIn = $clog2(Word / Rows);
  localparam int unsigned LogOut = $clog2(Word / Cols);
  localparam logic [6:0] InMask = 7'(Word / Rows - 1);
  localparam logic [6:0] OutMask = 7'(Word / Cols - 1);

  logic        by_row, common;
  logic [15:0] w_row, in_tile;

  // K comes a column (token) at a time, features in the rows; V the other way round.
  assign by_row    = instr_i.mode == ModeRows;
  assign w_token_o = by_row ? block_i << $clog2(Rows) : tile_i << $clog2(Cols);
  assign w_row     = by_row ? tile_i >> LogOut : block_i >> LogIn;
  // Input tiles behind `depth` are of the common token, which lies where weights otherwise do.
  assign common    = Selectors && instr_i.mode == ModeStream && instr_i.depth != '0
                     && index_i >= instr_i.depth;
  assign in_tile   = common ? index_i - instr_i.depth : index_i;
  assign w_slice_o = by_row ? 7'(tile_i) & OutMask : 7'(block_i) & InMask;

  always_ff @(posedge clk_i) begin
    if (next_tile_i) begin
      out_addr_o  <= instr_i.out_addr + 32'(place_i >> LogOut) * 32'(instr_i.out_stride);
      out_slice_o <= 7'(place_i) & OutMask;
    end
    if (next_block_i) begin
      in_addr_o  <= (common ? instr_i.w_addr : instr_i.in_addr)
                    + 32'(in_tile >> LogIn) * 32'(common ? instr_i.w_stride : instr_i.in_stride);
      in_slice_o <= 7'(in_tile) & InMask;
      common_o   <= common;
      w_addr_o   <= instr_i.w_addr + 32'(w_row) * 32'(instr_i.w_stride) + 32'(w_token_o);
    end
  end

  logic unused;
  assign unused = &instr_i;

endmodule
