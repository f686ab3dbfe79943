// The core with a simulated DRAM, a host that answers from a file, and a checker on every write.
//
// The clock runs here and Python sleeps: it sets `go`, then wakes for `progress` and `finished`.
// Case N reads `DIR/N.program` (DRAM image) and `DIR/N.exchange` (what the host puts into activation
// memory at each of its turns, and what the array must have written by the next one), and writes
// `DIR/N.log`, a line an instruction. `sim/machine/exchange.py` defines both binary formats.
module blockvit_sim
  import core_pkg::*;
#(
  parameter int unsigned Rows       = 16,
  parameter int unsigned Cols       = 16,
  parameter int unsigned AccDepth   = 256,
  parameter int unsigned ActWords   = 131072,
  parameter int unsigned MemBytes   = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter bit          PackDsp    = 1'b0,
  parameter int unsigned DramBytes  = 33554432
) ();

  timeunit 1ns; timeprecision 1ps;

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned Slices = Word / Cols;
  localparam int unsigned DramWords = DramBytes / MemBytes;
  localparam int unsigned MaxRequests = FifoBeats / BurstBeats;

  // Set by Python before `go`
  logic        go = 1'b0;
  int unsigned case_number = 0;
  int unsigned latency = 64;         // cycles from a read address to its first beat
  int unsigned stall_percent = 0;    // chance that a handshake waits a cycle
  int unsigned seed = 1;
  int unsigned beats = 0;            // length of the program
  int unsigned max_cycles = 0;
  // Read by Python
  logic        finished = 1'b0;
  logic        progress = 1'b0;      // changes every 65536 cycles
  int unsigned cycle = 0;
  int unsigned failure = 0;          // 0 none, 1 wrong value, 2 unexpected write, 3 missing write,
                                     // 4 too many cycles
  int unsigned failure_address = 0;
  int unsigned failure_missing = 0;
  logic [Word*8-1:0] failure_expected = '0, failure_actual = '0;
  logic [Slices-1:0] failure_slices = '0;

  // Clock and core
  logic clk = 1'b0, clock_on = 1'b0, rst_n = 1'b0, start = 1'b0;
  always #1 if (clock_on) clk = !clk;

  logic                     done, host_req, host_ack, running, op_done;
  logic                     arvalid, arready, rvalid, rready;
  logic [31:0]              araddr;
  logic [7:0]               arlen;
  logic [2:0]               arsize;
  logic [1:0]               arburst;
  logic [MemBytes*8-1:0]    rdata;
  logic [3:0]               grant = '1;
  logic [15:0]              op_id;
  logic [CycleKinds*32-1:0] op_counts;

  blockvit_core #(
    .Rows(Rows), .Cols(Cols), .AccDepth(AccDepth), .ActWords(ActWords), .MemBytes(MemBytes),
    .BurstBeats(BurstBeats), .FifoBeats(FifoBeats), .PackDsp(PackDsp)
  ) u_core (
    .clk_i(clk), .rst_ni(rst_n), .start_i(start), .prog_base_i(32'd0), .prog_beats_i(beats),
    .done_o(done), .host_req_o(host_req), .host_ack_i(host_ack), .arvalid_o(arvalid),
    .arready_i(arready), .araddr_o(araddr), .arlen_o(arlen), .arsize_o(arsize),
    .arburst_o(arburst), .rvalid_i(rvalid), .rready_o(rready), .rdata_i(rdata),
    .line_grant_i(grant[0]), .read_grant_i(grant[1]), .weight_grant_i(grant[2]),
    .write_grant_i(grant[3]), .running_o(running), .op_done_o(op_done), .op_id_o(op_id),
    .op_counts_o(op_counts)
  );

  // Random stalls
  int unsigned random_state = 1;
  function automatic logic stalls();
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return stall_percent != 0 && (random_state >> 8) % 100 < stall_percent;
  endfunction

  // DRAM: in order, a beat a cycle, `latency` cycles after the address
  logic [MemBytes*8-1:0] dram[DramWords];
  int unsigned request_ready[MaxRequests], request_word[MaxRequests], request_left[MaxRequests];
  int unsigned request_head = 0, request_tail = 0;

  task automatic dram_cycle();
    if (arvalid && arready) begin
      request_ready[request_tail % MaxRequests] = cycle + latency;
      request_word[request_tail % MaxRequests] = araddr / MemBytes;
      request_left[request_tail % MaxRequests] = 32'(arlen) + 1;
      request_tail = request_tail + 1;
    end
    rvalid <= 1'b0;
    if (request_head != request_tail && request_ready[request_head % MaxRequests] <= cycle + 1
        && !stalls()) begin
      rvalid <= 1'b1;
      rdata  <= dram[request_word[request_head % MaxRequests]];
      request_word[request_head % MaxRequests] = request_word[request_head % MaxRequests] + 1;
      request_left[request_head % MaxRequests] = request_left[request_head % MaxRequests] - 1;
      if (request_left[request_head % MaxRequests] == 0) request_head = request_head + 1;
    end
    arready <= !stalls();
    for (int g = 0; g < 4; g++) grant[g] <= !stalls();
  endtask

  // Host: at each turn, load its results and what the array shall write until the next turn
  int exchange, log_file, got;
  logic [127:0] record;
  int unsigned kind, first, words, slices;
  int unsigned due_count = 0;
  logic [Word*8-1:0] expected[ActWords];
  logic [Slices-1:0] due[ActWords];

  task automatic host_turn();
    if (due_count != 0 && failure == 0) begin
      failure         = 3;
      failure_missing = due_count;
      for (int unsigned a = 0; a < ActWords; a++) if (due[a] != '0) failure_address = a;
    end
    do begin
      got = $fread(record, exchange);
      if (got != 16) record = '0;
      {kind, first, words, slices} = record;
      if (kind == 1) begin
        got = $fread(u_core.u_memory.mem, exchange, first, words);
      end else if (kind == 2) begin
        got = $fread(expected, exchange, first, words);
        for (int unsigned a = first; a < first + words; a++) begin
          due[a]    = Slices'(slices);
          due_count = due_count + $countones(Slices'(slices));
        end
      end
    end while (kind != 0);
  endtask


  // Checker
  logic [Slices-1:0] write_slices;
  logic [31:0]       write_addr;
  logic [Word*8-1:0] write_word;
  assign write_slices = u_core.write_slices;
  assign write_addr   = u_core.write_addr;
  assign write_word   = {Slices{u_core.write_data}};

  function automatic logic wrong();
    for (int s = 0; s < Slices; s++) begin
      if (write_slices[s] && write_word[s*Cols*8+:Cols*8]
          != expected[write_addr[$clog2(ActWords)-1:0]][s*Cols*8+:Cols*8]) return 1'b1;
    end
    return 1'b0;
  endfunction

  task automatic check_cycle();
    if (u_core.write && failure == 0) begin
      if (write_addr >= ActWords || (due[write_addr] & write_slices) != write_slices) failure = 2;
      else if (wrong()) failure = 1;
      else begin
        due[write_addr] = due[write_addr] & ~write_slices;
        due_count = due_count - $countones(write_slices);
      end
      if (failure != 0) begin
        failure_address  = write_addr;
        failure_slices   = write_slices;
        failure_actual   = write_word;
        failure_expected = expected[write_addr[$clog2(ActWords)-1:0]];
      end
    end
  endtask

  always @(posedge clk) begin
    dram_cycle();
    check_cycle();
    host_ack <= host_req && !host_ack;
    if (host_req && !host_ack) host_turn();
    if (op_done && running) begin
      $fwrite(log_file, "%0d %0d", op_id, cycle);
      for (int k = 0; k < CycleKinds; k++) $fwrite(log_file, " %0d", op_counts[k*32+:32]);
      $fwrite(log_file, "\n");
    end
    if (running && cycle[15:0] == 16'hffff) progress <= !progress;
    if (running && cycle >= max_cycles && failure == 0) failure = 4;
    if (running) cycle = cycle + 1;
    if (done || failure != 0) clock_on = 1'b0;
  end

  // One case after another
  string folder;
  int    program_file;
  initial begin
    if (!$value$plusargs("dir=%s", folder)) $fatal(1, "+dir=FOLDER is missing");
    forever begin
      wait (go);
      program_file = $fopen($sformatf("%s/%0d.program", folder, case_number), "rb");
      got = $fread(dram, program_file);
      $fclose(program_file);
      exchange = $fopen($sformatf("%s/%0d.exchange", folder, case_number), "rb");
      log_file = $fopen($sformatf("%s/%0d.log", folder, case_number), "w");
      for (int unsigned a = 0; a < ActWords; a++) due[a] = '0;
      due_count = 0;
      failure = 0;
      cycle = 0;
      random_state = seed;
      request_head = 0;
      request_tail = 0;
      rst_n = 1'b0;
      host_turn();
      clock_on = 1'b1;
      @(negedge clk) rst_n = 1'b0;
      @(negedge clk) rst_n = 1'b1;
      @(negedge clk) start = 1'b1;
      @(negedge clk) start = 1'b0;
      wait (!clock_on);
      if (failure == 0) host_turn();
      $fclose(exchange);
      $fclose(log_file);
      finished = 1'b1;
      wait (!go);
      finished = 1'b0;
    end
  end

  logic unused;
  assign unused = &{rready, arsize, arburst, got != 0};

endmodule
