// Weight-stationary array of ROWS input features by COLS output features.
//
// An activation word enters a cycle after its tag and leaves as COLS sums; `tag_o` comes one cycle
// before the sums so that the accumulators can be read in time. `swap_i` comes with the first token
// that shall meet the next weights, or earlier, but after the last token that shall not.
module systolic_array
  import core_pkg::*;
#(
  parameter int unsigned Rows    = 16,
  parameter int unsigned Cols    = 16,
  parameter bit          PackDsp = 1'b0  // two products in a multiplier
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               swap_i,      /// the shadow weights come into use, row after row
  input  tag_t               tag_i,       /// of the token whose activations follow
  input  logic [Rows*8-1:0]  act_i,       /// one token's activations, a cycle after its tag
  input  logic [Rows-1:0]    load_row_i,  /// rows whose shadow weights are written
  input  logic [Cols-1:0]    load_col_i,  /// columns whose shadow weights are written
  input  logic               by_col_i,    /// weights come a column at a time, else a row
  input  logic [Cols*8-1:0]  row_i,       /// weights of a row
  input  logic [Rows*8-1:0]  col_i,       /// weights of a column
  output tag_t               tag_o,       /// of the sums of the next cycle
  output logic [Cols*32-1:0] sum_o
);

  localparam int unsigned TagBits = $bits(tag_t);
  localparam int unsigned TagDelay = Rows + 1;

  logic [TagDelay*TagBits-1:0] tag_q;
  logic [Rows-1:0]             swap_q;
  logic [Rows*8-1:0]           act_skewed;
  logic [Cols*32-1:0]          sum[Rows+1];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      tag_q  <= '0;
      swap_q <= '0;
    end else begin
      tag_q  <= {tag_q[(TagDelay-1)*TagBits-1:0], tag_i};
      swap_q <= {swap_q[Rows-2:0], swap_i};
    end
  end
  assign tag_o = tag_q[(TagDelay-1)*TagBits+:TagBits];

  skew #(.Rows(Rows)) u_skew (.clk_i, .word_i(act_i), .word_o(act_skewed));

  assign sum[0] = '0;
  for (genvar r = 0; r < Rows; r++) begin : g_row
    pe_row #(
      .Cols(Cols), .PackDsp(PackDsp)
    ) u_row (
      .clk_i,
      .swap_i  (swap_q[r]),
      .load_i  (load_row_i[r] ? load_col_i : '0),
      .by_col_i,
      .row_i,
      .col_i   (col_i[r*8+:8]),
      .act_i   (act_skewed[r*8+:8]),
      .sum_i   (sum[r]),
      .sum_o   (sum[r+1])
    );
  end
  assign sum_o = sum[Rows];

endmodule
