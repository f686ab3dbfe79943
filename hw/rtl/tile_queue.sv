// Output tiles in flight, up to four: where their results go, their biases and their scales.
//
// Tiles enter and leave in order. Each output pipeline stage names the slot it works for.
module tile_queue
  import core_pkg::*;
#(
  parameter int unsigned Cols      = 16,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // filling
  input  logic [1:0]             slot_i,
  output logic                   slot_free_o,
  output logic                   gelu_busy_o,
  input  logic                   push_i,
  input  tile_t                  tile_i,
  input  logic                   param_write_i,
  input  logic                   param_scale_i,
  input  logic [15:0]            line_number_i,
  input  logic [LineBytes*8-1:0] line_i,
  // progress
  input  logic                   done_i,        /// all sums of `done_slot_i` are there
  input  logic [1:0]             done_slot_i,
  input  logic                   empty_i,       /// an empty tile has been issued
  input  logic [1:0]             empty_slot_i,
  input  logic                   free_i,        /// the last result of `free_slot_i` is being written
  input  logic [1:0]             free_slot_i,
  // reading
  input  logic [1:0]             head_slot_i,
  output logic                   head_done_o,
  output tile_t                  head_o,
  input  logic [1:0]             bias_slot_i,
  output logic [Cols*32-1:0]     bias_o,
  input  logic [1:0]             mult_slot_i,
  output logic [Cols*16-1:0]     mult_o,
  input  logic [1:0]             shift_slot_i,
  output logic [Cols*6-1:0]      shift_o
);

  localparam int unsigned Lines = Cols * 4 / LineBytes;

  logic [3:0]         used_q, done_q, gelu_q;
  tile_t              tile_q[4];
  logic [Cols*32-1:0] bias_q[4];
  logic [Cols*32-1:0] scale_q[4];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      used_q <= '0;
      done_q <= '0;
      gelu_q <= '0;
    end else begin
      if (push_i) begin
        used_q[slot_i] <= 1'b1;
        done_q[slot_i] <= 1'b0;
        gelu_q[slot_i] <= tile_i.gelu;
      end
      if (done_i) done_q[done_slot_i] <= 1'b1;
      if (empty_i) done_q[empty_slot_i] <= 1'b1;
      if (free_i) begin
        used_q[free_slot_i] <= 1'b0;
        gelu_q[free_slot_i] <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (push_i) tile_q[slot_i] <= tile_i;
    for (int l = 0; l < Lines; l++) begin
      if (param_write_i && line_number_i == 16'(l)) begin
        if (param_scale_i) scale_q[slot_i][l*LineBytes*8+:LineBytes*8] <= line_i;
        else bias_q[slot_i][l*LineBytes*8+:LineBytes*8] <= line_i;
      end
    end
  end

  assign slot_free_o = !used_q[slot_i];
  assign gelu_busy_o = |gelu_q;
  assign head_done_o = used_q[head_slot_i] && done_q[head_slot_i];
  assign head_o      = tile_q[head_slot_i];
  assign bias_o      = bias_q[bias_slot_i];
  for (genvar c = 0; c < Cols; c++) begin : g_lane
    assign mult_o[c*16+:16] = scale_q[mult_slot_i][c*32+:16];
    assign shift_o[c*6+:6]  = scale_q[shift_slot_i][c*32+16+:6];
  end

endmodule
