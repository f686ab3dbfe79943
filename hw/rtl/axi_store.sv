// AXI4 write master: every word becomes one burst.
//
// A word taken in cycle t goes out with its address from cycle t + 1 on, a beat a cycle; the next
// word is taken with its last beat, so that with a memory that is always ready words of N beats
// follow each other every N cycles. A memory that answers A cycles after a last beat ends `busy_o`
// in cycle t + N + A + 1. Words narrower than a beat use its low bytes.
module axi_store #(
  parameter int unsigned BeatBytes = 16,
  parameter int unsigned WordBytes = 16,
  parameter int unsigned Timeout   = 65536
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   start_i,       /// forget the errors
  input  logic                   stop_i,        /// take no more words; the one in hand goes out
  input  logic                   word_valid_i,
  output logic                   word_ready_o,
  input  logic [WordBytes*8-1:0] word_i,
  input  logic [31:0]            addr_i,        /// of its first byte, a multiple of word and beat
  output logic                   awvalid_o,
  input  logic                   awready_i,
  output logic [31:0]            awaddr_o,
  output logic [7:0]             awlen_o,
  output logic                   wvalid_o,
  input  logic                   wready_i,
  output logic [BeatBytes*8-1:0] wdata_o,
  output logic [BeatBytes-1:0]   wstrb_o,
  output logic                   wlast_o,
  input  logic                   bvalid_i,
  output logic                   bready_o,
  input  logic [1:0]             bresp_i,
  output logic                   busy_o,        /// a word is in hand or a response is missing
  output logic                   bus_error_o,   /// a word failed, or a response came unasked
  output logic                   silent_o       /// memory did nothing for `Timeout` cycles
);

  localparam int unsigned Beats = WordBytes > BeatBytes ? WordBytes / BeatBytes : 1;
  localparam int unsigned HeldBytes = Beats * BeatBytes;
  localparam int unsigned UsedBytes = WordBytes < BeatBytes ? WordBytes : BeatBytes;
  localparam int unsigned PlaceWidth = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned TimerWidth = $clog2(Timeout + 1);
  localparam logic [7:0]  MostOwed = 8'd254;

  logic                   address_q, data_q;  // what of the word in hand is still to go
  logic                   bus_error_q, silent_q, take, sent, answered, waiting;
  logic                   address_left, data_left;
  logic [31:0]            addr_q;
  logic [HeldBytes*8-1:0] word_q;
  logic [PlaceWidth-1:0]  place_q;            // of the next beat
  logic [7:0]             owed_q;             // responses to come
  logic [TimerWidth-1:0]  timer_q;

  assign awvalid_o = address_q;
  assign awaddr_o  = addr_q;
  assign awlen_o   = 8'(Beats - 1);
  assign wvalid_o  = data_q;
  assign wdata_o   = word_q[BeatBytes*8-1:0];
  assign wstrb_o   = {BeatBytes {1'b1}} >> (BeatBytes - UsedBytes);
  assign wlast_o   = place_q == PlaceWidth'(Beats - 1);
  assign bready_o  = 1'b1;

  assign address_left = address_q && !awready_i;
  assign data_left    = data_q && !(wready_i && wlast_o);
  assign sent         = (address_q || data_q) && !address_left && !data_left;
  assign answered     = bvalid_i && owed_q != 0;
  assign word_ready_o = !stop_i && !address_left && !data_left && owed_q < MostOwed;
  assign take         = word_valid_i && word_ready_o;
  assign busy_o       = address_q || data_q || owed_q != 0;
  assign waiting      = busy_o && !(address_q && awready_i) && !(data_q && wready_i) && !bvalid_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      address_q   <= 1'b0;
      data_q      <= 1'b0;
      place_q     <= '0;
      owed_q      <= '0;
      bus_error_q <= 1'b0;
      silent_q    <= 1'b0;
      timer_q     <= '0;
    end else begin
      address_q <= take || address_left;
      data_q    <= take || data_left;
      if (data_q && wready_i) place_q <= wlast_o ? '0 : place_q + 1;
      owed_q    <= owed_q + 8'(sent) - 8'(answered);
      if (start_i) bus_error_q <= 1'b0;
      else if (bvalid_i && (owed_q == 0 || bresp_i != 2'b00)) bus_error_q <= 1'b1;
      if (start_i || !waiting) timer_q <= '0;
      else if (timer_q != TimerWidth'(Timeout)) timer_q <= timer_q + 1;
      if (start_i) silent_q <= 1'b0;
      else if (waiting && timer_q == TimerWidth'(Timeout - 1)) silent_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      addr_q <= addr_i;
      word_q <= (HeldBytes * 8)'(word_i);
    end else if (data_q && wready_i) begin
      word_q <= word_q >> (BeatBytes * 8);
    end
  end

  assign bus_error_o = bus_error_q;
  assign silent_o    = silent_q;

endmodule
