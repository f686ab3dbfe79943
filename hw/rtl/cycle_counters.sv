// Counts the cycles of each kind, instruction by instruction.
module cycle_counters
  import core_pkg::*;
(
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     running_i,
  input  cycle_kind_e              kind_i,
  input  logic                     op_done_i,  /// this cycle is the instruction's last
  output logic [CycleKinds*32-1:0] counts_o    /// of the instruction so far, this cycle included
);

  logic [CycleKinds*32-1:0] counts_q;

  always_comb begin
    counts_o = counts_q;
    for (int k = 0; k < CycleKinds; k++) begin
      if (running_i && kind_i == cycle_kind_e'(k)) begin
        counts_o[k*32+:32] = counts_q[k*32+:32] + 32'd1;
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) counts_q <= '0;
    else if (op_done_i) counts_q <= '0;
    else counts_q <= counts_o;
  end

endmodule
