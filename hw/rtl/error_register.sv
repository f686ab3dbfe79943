// Keeps the first reason why the program cannot go on, and ends the run.
//
// A run that makes no progress at all for TIMEOUT cycles, although the memory answers, has an
// instruction that waits for itself. After an error the core wants a reset.
module error_register
  import blockvit_pkg::*;
#(
  parameter int unsigned Timeout = 65536
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        running_i,
  input  logic        illegal_i,
  input  logic        outside_i,
  input  logic        bus_i,
  input  logic        silent_i,
  input  logic        cut_i,
  input  logic        progress_i,
  input  logic [15:0] id_i,         /// of the instruction that is being loaded
  output logic        failed_o,     /// there is a new reason
  output logic [7:0]  error_o,
  output logic [15:0] error_id_o
);

  localparam int unsigned TimerWidth = $clog2(2 * Timeout + 1);

  logic [TimerWidth-1:0] timer_q;
  logic [7:0]            reason;

  // The memory's own watch is given time to report first.
  always_comb begin
    reason = 8'd0;
    if (timer_q == TimerWidth'(2 * Timeout)) reason = ErrorStuck;
    if (cut_i) reason = ErrorCut;
    if (silent_i) reason = ErrorSilent;
    if (illegal_i) reason = ErrorIllegal;
    if (outside_i) reason = ErrorAddress;
    if (bus_i) reason = ErrorBus;
  end
  assign failed_o = running_i && reason != 8'd0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      timer_q    <= '0;
      error_o    <= '0;
      error_id_o <= '0;
    end else begin
      timer_q <= progress_i || !running_i ? '0 : timer_q + 1'b1;
      if (failed_o) begin
        error_o    <= reason;
        error_id_o <= id_i;
      end
    end
  end

endmodule
