// Simulated DRAM behind AXI4 read and write ports: in order, never early, late at random if asked.
//
// Beat k of burst n arrives in cycle
//   max(cycle of its address + latency, first arrival of burst n - 1 + interval * its beats)
//     + interval * k
// where a stall adds a cycle to its beat and what follows it. The response to a write comes
// `latency` cycles after the last of its beats and its address. `mem` is loaded from outside.
module dram #(
  parameter int unsigned BeatBytes   = 16,
  parameter int unsigned Bytes       = 33554432,
  parameter int unsigned MaxRequests = 16  /// waiting for their beats; a power of two from 2 on
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [31:0]            latency_i,         /// from address to first beat, at least 1
  input  logic [31:0]            interval_i,        /// from a read beat to the next, at least 1
  input  logic [31:0]            stall_percent_i,   /// chance that a handshake waits a cycle
  input  logic [31:0]            seed_i,            /// of the stalls, not 0; taken while in reset
  input  logic [31:0]            fail_read_addr_i,  /// the beat with this byte fails; ones: none
  input  logic                   fail_write_i,      /// writes fail
  input  logic                   silent_i,          /// nothing is answered any more
  input  logic                   arvalid_i,
  output logic                   arready_o,
  input  logic [31:0]            araddr_i,
  input  logic [7:0]             arlen_i,
  output logic                   rvalid_o,
  input  logic                   rready_i,
  output logic [BeatBytes*8-1:0] rdata_o,
  output logic [1:0]             rresp_o,
  output logic                   rlast_o,
  input  logic                   awvalid_i,
  output logic                   awready_o,
  input  logic [31:0]            awaddr_i,
  input  logic [7:0]             awlen_i,
  input  logic                   wvalid_i,
  output logic                   wready_o,
  input  logic [BeatBytes*8-1:0] wdata_i,
  input  logic [BeatBytes-1:0]   wstrb_i,
  input  logic                   wlast_i,
  output logic                   bvalid_o,
  input  logic                   bready_i,
  output logic [1:0]             bresp_o
);

  timeunit 1ns; timeprecision 1ps;

  localparam int unsigned Words = Bytes / BeatBytes;
  localparam int unsigned PtrWidth = $clog2(MaxRequests);
  localparam logic [1:0]  Okay = 2'b00, SlaveError = 2'b10, DecodeError = 2'b11;

  logic [BeatBytes*8-1:0] mem[Words];

  int unsigned cycle, random_state;

  function automatic logic stalls();
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return stall_percent_i != 0 && (random_state >> 8) % 100 < stall_percent_i;
  endfunction

  // Reads
  int unsigned read_ready[MaxRequests], read_word[MaxRequests], read_left[MaxRequests];
  int unsigned read_head, read_tail, read_free;

  task automatic read_cycle();
    logic [PtrWidth-1:0] r;
    if (arvalid_i && arready_o) begin
      r = PtrWidth'(read_tail);
      read_ready[r] = cycle + latency_i;
      read_word[r]  = araddr_i / BeatBytes;
      read_left[r]  = 32'(arlen_i) + 1;
      read_tail     = read_tail + 1;
    end
    if (!rvalid_o || rready_i) begin
      rvalid_o <= 1'b0;
      r = PtrWidth'(read_head);
      if (read_head != read_tail && read_ready[r] <= cycle + 1 && read_free <= cycle + 1
          && !silent_i && !stalls()) begin
        rvalid_o <= 1'b1;
        rlast_o  <= read_left[r] == 1;
        if (read_word[r] >= Words) begin
          rdata_o <= '0;
          rresp_o <= DecodeError;
        end else begin
          rdata_o <= mem[read_word[r]];
          rresp_o <= fail_read_addr_i != '1 && read_word[r] == fail_read_addr_i / BeatBytes
                     ? SlaveError : Okay;
        end
        read_free    = cycle + 1 + interval_i;
        read_word[r] = read_word[r] + 1;
        read_left[r] = read_left[r] - 1;
        if (read_left[r] == 0) read_head = read_head + 1;
      end
    end
    arready_o <= !silent_i && read_tail - read_head < MaxRequests && !stalls();
  endtask

  // Writes: beats wait for the address of their burst
  typedef struct packed {
    logic [BeatBytes*8-1:0] data;
    logic [BeatBytes-1:0]   strobe;
    logic                   last;
  } beat_t;

  typedef struct packed {
    logic [31:0] word;
    logic [8:0]  beats;
  } burst_t;

  typedef struct packed {
    logic [31:0] ready;
    logic [1:0]  resp;
  } response_t;

  beat_t     beats[$];
  burst_t    bursts[$];
  response_t responses[$];
  logic      write_bad;

  task automatic store_beat();
    beat_t  beat = beats.pop_front();
    burst_t burst = bursts[0];
    if (burst.word >= Words) write_bad = 1'b1;
    else begin
      for (int b = 0; b < BeatBytes; b++) begin
        if (beat.strobe[b]) mem[burst.word][b*8+:8] = beat.data[b*8+:8];
      end
    end
    if (beat.last != (burst.beats == 1))
      $fatal(1, "dram: wlast is %0d with %0d beats of the burst to come", beat.last, burst.beats);
    bursts[0].word  = burst.word + 1;
    bursts[0].beats = burst.beats - 1;
    if (burst.beats == 1) begin
      void'(bursts.pop_front());
      responses.push_back('{
        ready: cycle + latency_i,
        resp: write_bad ? DecodeError : fail_write_i ? SlaveError : Okay
      });
      write_bad = 1'b0;
    end
  endtask

  task automatic write_cycle();
    if (awvalid_i && awready_o)
      bursts.push_back('{word: awaddr_i / BeatBytes, beats: 9'(awlen_i) + 1});
    if (wvalid_i && wready_o)
      beats.push_back('{data: wdata_i, strobe: wstrb_i, last: wlast_i});
    while (beats.size() != 0 && bursts.size() != 0) store_beat();
    if (!bvalid_o || bready_i) begin
      bvalid_o <= 1'b0;
      if (responses.size() != 0 && responses[0].ready <= cycle + 1 && !silent_i && !stalls())
      begin
        bvalid_o <= 1'b1;
        bresp_o  <= responses[0].resp;
        void'(responses.pop_front());
      end
    end
    awready_o <= !silent_i && !stalls();
    wready_o  <= !silent_i && !stalls();
  endtask

  task automatic reset_cycle();
    cycle        = 0;
    random_state = seed_i;
    read_head    = 0;
    read_tail    = 0;
    read_free    = 0;
    write_bad    = 1'b0;
    beats.delete();
    bursts.delete();
    responses.delete();
    arready_o <= 1'b0;
    awready_o <= 1'b0;
    wready_o  <= 1'b0;
    rvalid_o  <= 1'b0;
    bvalid_o  <= 1'b0;
  endtask

  task automatic memory_cycle();
    read_cycle();
    write_cycle();
    cycle = cycle + 1;
  endtask

  always @(posedge clk_i) begin
    if (!rst_ni) reset_cycle();
    else memory_cycle();
  end

endmodule
