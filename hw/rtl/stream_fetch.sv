// AXI4 read master that streams two pieces of memory, one behind the other, into a FIFO.
//
// A burst is asked for when the FIFO has room for all of it, so `rready` never falls. Bursts start
// at multiples of their own size and so never cross a 4 KiB boundary. The first address goes out in
// the cycle after `start_i`; a beat can be taken in the cycle after it arrived. Beats still owed
// when a new stream starts are dropped as they come.
module stream_fetch #(
  parameter int unsigned BeatBytes  = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter int unsigned Timeout    = 65536
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    start_i,        /// not while an address waits for `arready_i`
  input  logic                    stop_i,         /// ask for nothing more
  input  logic [31:0]             first_base_i,   /// first byte of piece 1, a multiple of a burst
  input  logic [31:0]             first_beats_i,  /// its length, whole bursts or 0
  input  logic [31:0]             base_i,         /// the same of piece 2
  input  logic [31:0]             beats_i,        /// its length, the last burst may be short
  output logic                    arvalid_o,
  input  logic                    arready_i,
  output logic [31:0]             araddr_o,
  output logic [7:0]              arlen_o,
  input  logic                    rvalid_i,
  output logic                    rready_o,
  input  logic [BeatBytes*8-1:0]  rdata_i,
  input  logic [1:0]              rresp_i,
  input  logic                    rlast_i,
  output logic                    beat_valid_o,
  output logic [BeatBytes*8-1:0]  beat_o,
  input  logic                    beat_pop_i,     /// the beat has been used up
  output logic                    exhausted_o,    /// so have all beats of both pieces
  output logic                    bus_error_o,    /// a beat failed, came unasked or ill framed
  output logic                    silent_o        /// memory did nothing for `Timeout` cycles
);

  localparam int unsigned PtrWidth = $clog2(FifoBeats);
  localparam int unsigned CountWidth = $clog2(FifoBeats + 1);
  localparam int unsigned PlaceWidth = BurstBeats > 1 ? $clog2(BurstBeats) : 1;
  localparam int unsigned TimerWidth = $clog2(Timeout + 1);

  logic                   running_q, waiting_q, bus_error_q, silent_q;
  logic [31:0]            addr_q, left_q, next_addr_q, next_left_q;
  logic [CountWidth-1:0]  reserved_q, filled_q;
  logic [CountWidth:0]    owed_q, stale_q;  // beats to come, those among them of a former stream
  logic [PlaceWidth-1:0]  place_q;          // of the next beat in its burst
  logic [TimerWidth-1:0]  timer_q;
  logic [PtrWidth-1:0]    read_q, write_q;
  logic [BeatBytes*8-1:0] fifo[FifoBeats];
  logic                   request, expected, push, asked_all, last, bad, waiting;
  logic [31:0]            burst;
  logic [CountWidth:0]    owed_d;

  assign burst     = left_q < BurstBeats ? left_q : BurstBeats;
  assign arvalid_o = left_q != 0 && 32'(reserved_q) + BurstBeats <= FifoBeats
                     && (!stop_i || waiting_q);
  assign araddr_o  = addr_q;
  assign arlen_o   = 8'(burst - 1);
  assign rready_o  = 1'b1;
  assign request   = arvalid_o && arready_i;
  assign expected  = rvalid_i && owed_q != 0;
  assign push      = expected && stale_q == 0;
  assign owed_d    = owed_q + (request ? (CountWidth + 1)'(burst) : '0)
                     - (CountWidth + 1)'(expected);

  assign asked_all = left_q == 0 && next_left_q == 0;
  assign last      = place_q == PlaceWidth'(BurstBeats - 1) || (asked_all && owed_q == 1);
  assign bad       = rvalid_i && !(expected && stale_q != 0)
                     && (!expected || rresp_i != 2'b00 || rlast_i != last);
  assign waiting   = (owed_q != 0 || arvalid_o) && !request && !rvalid_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      running_q   <= 1'b0;
      waiting_q   <= 1'b0;
      bus_error_q <= 1'b0;
      silent_q    <= 1'b0;
      addr_q      <= '0;
      left_q      <= '0;
      next_addr_q <= '0;
      next_left_q <= '0;
      reserved_q  <= '0;
      filled_q    <= '0;
      owed_q      <= '0;
      stale_q     <= '0;
      place_q     <= '0;
      timer_q     <= '0;
      read_q      <= '0;
      write_q     <= '0;
    end else if (start_i) begin
      running_q   <= 1'b1;
      waiting_q   <= 1'b0;
      bus_error_q <= 1'b0;
      silent_q    <= 1'b0;
      addr_q      <= first_beats_i != 0 ? first_base_i : base_i;
      left_q      <= first_beats_i != 0 ? first_beats_i : beats_i;
      next_addr_q <= base_i;
      next_left_q <= first_beats_i != 0 ? beats_i : '0;
      reserved_q  <= '0;
      filled_q    <= '0;
      owed_q      <= owed_d;
      stale_q     <= owed_d;
      place_q     <= '0;
      timer_q     <= '0;
      read_q      <= '0;
      write_q     <= '0;
    end else begin
      waiting_q <= arvalid_o && !arready_i;
      if (request && left_q == burst) begin
        addr_q      <= next_addr_q;
        left_q      <= next_left_q;
        next_left_q <= '0;
      end else if (request) begin
        addr_q <= addr_q + burst * BeatBytes;
        left_q <= left_q - burst;
      end
      reserved_q <= reserved_q + (request ? CountWidth'(burst) : '0) - CountWidth'(beat_pop_i);
      filled_q   <= filled_q + CountWidth'(push) - CountWidth'(beat_pop_i);
      owed_q     <= owed_d;
      if (expected && stale_q != 0) stale_q <= stale_q - 1;
      if (push) place_q <= last ? '0 : place_q + 1;
      read_q     <= read_q + PtrWidth'(beat_pop_i);
      write_q    <= write_q + PtrWidth'(push);
      if (bad) bus_error_q <= 1'b1;
      timer_q    <= waiting ? timer_q + TimerWidth'(timer_q != TimerWidth'(Timeout)) : '0;
      if (waiting && timer_q == TimerWidth'(Timeout - 1)) silent_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (push) fifo[write_q] <= rdata_i;
  end

  assign beat_valid_o = filled_q != 0;
  assign beat_o       = fifo[read_q];
  assign exhausted_o  = running_q && asked_all && reserved_q == 0;
  assign bus_error_o  = bus_error_q;
  assign silent_o     = silent_q;

endmodule
