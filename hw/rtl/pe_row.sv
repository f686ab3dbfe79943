// One row of processing elements.
//
// Every element holds the weight in use and, behind it, the next one. The row's activation reaches
// all columns in the same cycle; partial sums move down one row a cycle. `swap_i` makes the next
// weights the ones in use, one row a cycle behind the other rows, just ahead of the first token.
//
// With PackDsp, two neighbouring columns share a 27x18 multiplier: (w1 * 2^18 + w0) * act holds
// w0 * act in its low 18 bits and w1 * act above them, one too small where w0 * act is negative.
module pe_row #(
  parameter int unsigned Cols    = 16,
  parameter bit          PackDsp = 1'b0  // Cols is even
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

  logic signed [7:0]  next_q[Cols];
  logic signed [31:0] sum_q [Cols];

  always_ff @(posedge clk_i) begin
    if (|load_i) begin
      for (int c = 0; c < Cols; c++) begin
        if (load_i[c]) next_q[c] <= by_col_i ? col_i : row_i[c*8+:8];
      end
    end
  end

  if (PackDsp) begin : g_packed
    logic signed [26:0] pair_q[Cols/2];

    always_ff @(posedge clk_i) begin
      if (swap_i) begin
        for (int p = 0; p < Cols / 2; p++) begin
          pair_q[p] <= {9'(next_q[2*p+1]) - 9'(next_q[2*p][7]), 18'(next_q[2*p])};
        end
      end
    end

    always_ff @(posedge clk_i) begin
      for (int p = 0; p < Cols / 2; p++) begin
        logic signed [33:0] product;
        product = 34'(pair_q[p]) * 34'(act_i);
        sum_q[2*p]   <= $signed(sum_i[2*p*32+:32]) + 32'($signed(product[17:0]));
        sum_q[2*p+1] <= $signed(sum_i[(2*p+1)*32+:32]) + 32'($signed(product[33:18]))
                        + 32'(product[17]);
      end
    end
  end else begin : g_single
    logic signed [7:0] weight_q[Cols];

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
  end

  for (genvar c = 0; c < Cols; c++) begin : g_out
    assign sum_o[c*32+:32] = sum_q[c];
  end

endmodule
