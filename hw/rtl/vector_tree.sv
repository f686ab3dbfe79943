// Sum or maximum over the lanes, a level of the tree a cycle: log2(LANES) cycles.
module vector_tree #(
  parameter int unsigned Lanes = 16,
  parameter int unsigned Bits  = 16,
  parameter int unsigned Out   = 28   // bits of the result, which sums do not leave
) (
  input  logic                   clk_i,
  input  logic                   enable_i,  /// the pipeline moves
  input  logic                   max_i,    /// maximum, else sum
  input  logic [Lanes*Bits-1:0]  lanes_i,  /// two's complement
  output logic signed [Out-1:0]  result_o
);

  // A heap: the sum or maximum of nodes 2i and 2i+1 goes to node i; the lanes are its leaves.
  logic signed [Out-1:0] node  [2*Lanes];
  logic signed [Out-1:0] node_q[1:Lanes-1];

  always_comb begin
    node[0] = '0;
    for (int i = 1; i < Lanes; i++) node[i] = node_q[i];
    for (int i = 0; i < Lanes; i++) node[Lanes+i] = Out'($signed(lanes_i[i*Bits+:Bits]));
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      for (int i = 1; i < Lanes; i++) begin
        if (!max_i) node_q[i] <= node[2*i] + node[2*i+1];
        else node_q[i] <= node[2*i] > node[2*i+1] ? node[2*i] : node[2*i+1];
      end
    end
  end

  assign result_o = node_q[1];

endmodule
