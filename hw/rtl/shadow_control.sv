// Steers weights into the shadow registers, a cycle after the line is popped or the word asked for.
module shadow_control #(
  parameter int unsigned Rows      = 16,
  parameter int unsigned Cols      = 16,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   step_i,         /// a line is popped or a word asked for
  input  logic                   stream_i,       /// weights come from the stream
  input  logic                   by_col_i,       /// a word is a column of weights, else a row
  input  logic [15:0]            count_i,        /// lines or words of the block so far
  input  logic                   zero_i,         /// the word lies behind the last token
  input  logic [6:0]             slice_i,        /// slice of the word
  input  logic [LineBytes*8-1:0] line_i,
  output logic [Rows-1:0]        load_row_o,
  output logic [Cols-1:0]        load_col_o,
  output logic                   load_stream_o,
  output logic                   load_zero_o,
  output logic                   by_col_o,
  output logic [6:0]             load_slice_o,
  output logic [LineBytes*8-1:0] load_line_o
);

  localparam int unsigned Parts = Cols / LineBytes;  // lines of a row

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      load_row_o <= '0;
      load_col_o <= '0;
    end else begin
      load_row_o <= '0;
      load_col_o <= '0;
      if (step_i && stream_i) begin
        load_row_o <= Rows'(1) << (count_i >> $clog2(Parts));
        load_col_o <= Cols'({LineBytes{1'b1}}) << ((count_i & 16'(Parts - 1)) * 16'(LineBytes));
      end else if (step_i && by_col_i) begin
        load_row_o <= '1;
        load_col_o <= Cols'(1) << count_i;
      end else if (step_i) begin
        load_row_o <= Rows'(1) << count_i;
        load_col_o <= '1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (step_i) begin
      load_line_o   <= line_i;
      load_stream_o <= stream_i;
      load_zero_o   <= zero_i;
      by_col_o      <= by_col_i;
      load_slice_o  <= slice_i;
    end
  end

endmodule
