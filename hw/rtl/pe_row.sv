// One row of processing elements.
//
// Every element holds the weight in use and, behind it, the next one. The row's activation reaches
// all columns in the same cycle; partial sums move down one row a cycle. `swap_i` makes the next
// weights the ones in use, one row a cycle behind the other rows, just ahead of the first token.
module pe_row #(
  parameter int unsigned Cols = 16
) (
  input  logic                clk_i,
  input  logic                swap_i,    /// next weights become the ones in use
  input  logic [Cols-1:0]     load_i,    /// columns whose next weight is written
  input  logic                by_col_i,  /// they all get `col_i`, else each its own
  input  logic [Cols*8-1:0]   row_i,     /// weights of this row
  input  logic [7:0]          col_i,     /// weight of this row in the column that is loaded
  input  logic signed [7:0]   act_i,     /// activation of this row
  input  logic [Cols*32-1:0]  sum_i,     /// partial sums from the row above
  output logic [Cols*32-1:0]  sum_o      /// partial sums for the row below, a cycle later
);

  logic signed [7:0]  next_q  [Cols];
  logic signed [7:0]  weight_q[Cols];
  logic signed [31:0] sum_q   [Cols];

  always_ff @(posedge clk_i) begin
    if (|load_i) begin
      for (int c = 0; c < Cols; c++) begin
        if (load_i[c]) next_q[c] <= by_col_i ? col_i : row_i[c*8+:8];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (swap_i) begin
      for (int c = 0; c < Cols; c++) weight_q[c] <= next_q[c];
    end
  end

  always_ff @(posedge clk_i) begin
    for (int c = 0; c < Cols; c++) begin
      sum_q[c] <= $signed(sum_i[c*32+:32]) + 32'(act_i) * 32'(weight_q[c]);
    end
  end

  for (genvar c = 0; c < Cols; c++) begin : g_out
    assign sum_o[c*32+:32] = sum_q[c];
  end

endmodule
